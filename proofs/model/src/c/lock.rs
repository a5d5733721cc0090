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

/// A lock of any kind: its holder, its waiters, and the knowledge of the last holder.
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

    /// Takes the lock, which is `what`. A waiter calls `woken` after each wake-up.
    ///
    /// # Safety
    ///
    /// `this` must stay valid until the lock is given back.
    unsafe fn take(this: *mut Self, what: &str, woken: impl Fn()) {
        machine::check(this, what);
        // SAFETY: The caller guarantees that `this` is valid. No reference is kept while others run.
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

    /// Releases the lock.
    ///
    /// # Safety
    ///
    /// The caller must hold the lock.
    unsafe fn give(this: *mut Self, what: &str) {
        machine::check(this, what);
        // SAFETY: `this` is valid, as the caller holds it.
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
/// The lock must be initialised.
pub unsafe fn _raw_spin_lock_irqsave(lock: *mut raw_spinlock) -> c_ulong {
    machine::step("raw_spin_lock");
    // SAFETY: The caller guarantees that the lock is initialised.
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
/// The caller must hold the lock.
pub unsafe fn _raw_spin_unlock_irqrestore(lock: *mut raw_spinlock, _flags: c_ulong) {
    // SAFETY: The caller guarantees that it holds the lock.
    unsafe {
        Held::give(&raw mut (*lock).held, "a spinlock");
        (*current()).atomic -= 1;
    }
}

/// A `struct mutex` or an rw-semaphore.
#[derive(Default)]
pub struct Sleeping {
    held: Held,
}

impl Sleeping {
    /// `mutex_lock()`.
    ///
    /// # Safety
    ///
    /// `this` must stay valid until it is unlocked.
    pub unsafe fn lock(this: *mut Self) {
        might_sleep();
        machine::step("mutex_lock");
        // SAFETY: The caller guarantees that `this` is valid; a running task has a task structure.
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
    /// The caller must hold the lock.
    pub unsafe fn unlock(this: *mut Self) {
        // SAFETY: The caller guarantees that it holds the lock.
        unsafe { Held::give(&raw mut (*this).held, "a mutex") };
    }
}
