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

/// What a lock of any kind is here: who has it, who waits for it, and what the last holder knew.
#[derive(Default)]
pub struct Held {
    holder: Option<usize>,
    waiters: Vec<usize>,
    clock: Clock,
}

impl Held {
    const fn new() -> Self {
        Self {
            holder: None,
            waiters: Vec::new(),
            clock: Clock::new(),
        }
    }

    /// Takes the lock, which is `what`. A task that had to wait for it does `woken` each time.
    ///
    /// # Safety
    ///
    /// `this` is there until it has been given back.
    unsafe fn take(this: *mut Self, what: &str, woken: impl Fn()) {
        machine::check(this, what);
        // SAFETY: `this` is there, as the caller guarantees. No reference is kept while others run.
        unsafe {
            while (*this).holder.is_some() {
                assert!(
                    (*this).holder != Some(machine::current_id()),
                    "{what} is taken twice"
                );
                (*this).waiters.push(machine::current_id());
                machine::block();
                woken();
            }
            machine::check(this, what);
            (*this).holder = Some(machine::current_id());
            machine::acquire(&(*this).clock);
        }
    }

    /// Gives it back.
    ///
    /// # Safety
    ///
    /// The caller has it.
    unsafe fn give(this: *mut Self, what: &str) {
        machine::check(this, what);
        // SAFETY: `this` is there, as the caller has it.
        unsafe {
            assert!(
                (*this).holder == Some(machine::current_id()),
                "{what} is not held"
            );
            (*this).holder = None;
            machine::release(&mut (*this).clock);
            for id in std::mem::take(&mut (*this).waiters) {
                machine::unblock(id);
            }
        }
    }
}

impl raw_spinlock {
    pub const fn new() -> Self {
        Self { held: Held::new() }
    }
}

/// `raw_spin_lock_irqsave()`.
///
/// # Safety
///
/// The lock is initialised.
pub unsafe fn _raw_spin_lock_irqsave(lock: *mut raw_spinlock) -> c_ulong {
    machine::step("raw_spin_lock");
    // SAFETY: The caller guarantees that the lock is there.
    unsafe {
        Held::take(&raw mut (*lock).held, "a spinlock", || ());
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
    // SAFETY: The caller guarantees that it holds the lock.
    unsafe {
        Held::give(&raw mut (*lock).held, "a spinlock");
        (*current()).atomic -= 1;
    }
}

/// What a `struct mutex` or an rw-semaphore is here.
#[derive(Default)]
pub struct Sleeping {
    held: Held,
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
        // SAFETY: The caller guarantees that `this` is there; a task that runs has a task structure.
        unsafe {
            Held::take(&raw mut (*this).held, "a mutex", || {
                (*current()).__state = TASK_RUNNING;
            });
        }
    }

    /// `mutex_unlock()`.
    ///
    /// # Safety
    ///
    /// The caller has it.
    pub unsafe fn unlock(this: *mut Self) {
        // SAFETY: The caller guarantees that it has the lock.
        unsafe { Held::give(&raw mut (*this).held, "a mutex") };
    }
}
