// SPDX-License-Identifier: GPL-2.0

//! Locks.

use super::{
    sched::{current, might_sleep, TASK_RUNNING},
    types::*,
};
use crate::{
    ffi::*,
    machine::{self, Clock},
};

impl raw_spinlock {
    pub const fn new() -> Self {
        Self {
            holder: None,
            waiters: Vec::new(),
            clock: Clock::new(),
        }
    }
}

/// `raw_spin_lock_irqsave()`.
///
/// # Safety
///
/// The lock is initialised.
pub unsafe fn _raw_spin_lock_irqsave(lock: *mut raw_spinlock) -> c_ulong {
    machine::step("raw_spin_lock");
    machine::check(lock, "a spinlock");
    // SAFETY: By the requirements of this function. No reference is kept while others run.
    unsafe {
        while (*lock).holder.is_some() {
            assert!(
                (*lock).holder != Some(machine::current_id()),
                "a spinlock is taken twice"
            );
            (*lock).waiters.push(machine::current_id());
            machine::block();
        }
        machine::check(lock, "a spinlock");
        (*lock).holder = Some(machine::current_id());
        machine::acquire(&(*lock).clock);
        (*current()).atomic += 1;
    }
    0
}

/// `raw_spin_unlock_irqrestore()`.
///
/// # Safety
///
/// The lock is held by the caller.
pub unsafe fn _raw_spin_unlock_irqrestore(lock: *mut raw_spinlock, _flags: c_ulong) {
    machine::check(lock, "a spinlock");
    // SAFETY: By the requirements of this function.
    unsafe {
        assert!(
            (*lock).holder == Some(machine::current_id()),
            "a spinlock is not held"
        );
        (*lock).holder = None;
        machine::release(&mut (*lock).clock);
        (*current()).atomic -= 1;
        for id in std::mem::take(&mut (*lock).waiters) {
            machine::unblock(id);
        }
    }
}

/// What a `struct mutex` or an rw-semaphore is here: who has it.
#[derive(Default)]
pub struct Sleeping {
    holder: Option<usize>,
    waiters: Vec<usize>,
    clock: Clock,
}

impl Sleeping {
    /// `mutex_lock()`.
    ///
    /// # Safety
    ///
    /// `this` is there until it has been unlocked.
    pub unsafe fn lock(this: *mut Self) {
        might_sleep();
        machine::step("mutex_lock");
        machine::check(this, "a mutex");
        // SAFETY: By the requirements of this function. No reference is kept while others run.
        unsafe {
            while (*this).holder.is_some() {
                assert!(
                    (*this).holder != Some(machine::current_id()),
                    "a mutex is taken twice"
                );
                (*this).waiters.push(machine::current_id());
                machine::block();
                (*current()).__state = TASK_RUNNING;
            }
            machine::check(this, "a mutex");
            (*this).holder = Some(machine::current_id());
            machine::acquire(&(*this).clock);
        }
    }

    /// `mutex_unlock()`.
    ///
    /// # Safety
    ///
    /// The caller has it.
    pub unsafe fn unlock(this: *mut Self) {
        machine::check(this, "a mutex");
        // SAFETY: By the requirements of this function.
        unsafe {
            assert!(
                (*this).holder == Some(machine::current_id()),
                "a mutex is not held"
            );
            (*this).holder = None;
            machine::release(&mut (*this).clock);
            for id in std::mem::take(&mut (*this).waiters) {
                machine::unblock(id);
            }
        }
    }
}
