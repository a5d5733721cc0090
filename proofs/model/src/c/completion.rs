// SPDX-License-Identifier: GPL-2.0

//! kernel/sched/completion.c and kernel/sched/swait.c.

use super::{
    lock::{_raw_spin_lock_irqsave, _raw_spin_unlock_irqrestore},
    sched::*,
    types::*,
    wait::{init_list_head, list_add_tail, list_del_init, list_empty},
};
use crate::{
    ffi::*,
    machine::{self, Order},
};
use std::ptr::null_mut;

const ERESTARTSYS: c_long = 512;

/// Records a write of `done`, for readers without the lock.
unsafe fn wrote_done(x: *mut completion) {
    // SAFETY: The caller has a valid completion.
    machine::stored(unsafe { (&raw const (*x).done).addr() }, Order::Relaxed);
}

/// A completion that is not initialised yet.
pub fn new_completion() -> completion {
    completion {
        done: 0,
        wait: swait_queue_head {
            lock: raw_spinlock::new(),
            task_list: list_head::default(),
        },
    }
}

/// # Safety
///
/// `x` must be valid for writes.
pub unsafe fn init_completion(x: *mut completion) {
    // SAFETY: The caller guarantees that `x` is valid for writes.
    unsafe {
        x.write(new_completion());
        init_list_head(&raw mut (*x).wait.task_list);
    }
}

/// `swake_up_locked()`.
unsafe fn swake_up_locked(q: *mut swait_queue_head) {
    // SAFETY: The lock is held, and the entries of the list are valid.
    unsafe {
        if list_empty(&raw mut (*q).task_list) {
            return;
        }
        let curr = crate::container_of!((*q).task_list.next, swait_queue, task_list);

        try_to_wake_up((*curr).task, TASK_NORMAL);
        list_del_init(&raw mut (*curr).task_list);
    }
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn complete(x: *mut completion) {
    machine::trace("complete");
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*x).wait.lock);
        if (*x).done != c_uint::MAX {
            (*x).done += 1;
            wrote_done(x);
        }
        swake_up_locked(&raw mut (*x).wait);
        _raw_spin_unlock_irqrestore(&raw mut (*x).wait.lock, flags);
    }
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn complete_all(x: *mut completion) {
    machine::trace("complete_all");
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*x).wait.lock);
        (*x).done = c_uint::MAX;
        wrote_done(x);
        while !list_empty(&raw mut (*x).wait.task_list) {
            swake_up_locked(&raw mut (*x).wait);
        }
        _raw_spin_unlock_irqrestore(&raw mut (*x).wait.lock, flags);
    }
}

/// `do_wait_for_common()`, with the lock held.
unsafe fn do_wait_for_common(x: *mut completion, mut timeout: c_long, state: u32) -> c_long {
    // SAFETY: `x` stays valid until this returns, and the waiter leaves the list before.
    unsafe {
        if (*x).done == 0 {
            let mut wait = swait_queue {
                task: null_mut(),
                task_list: list_head::default(),
            };

            init_list_head(&raw mut wait.task_list);
            loop {
                if signal_pending_state(state, current()) {
                    timeout = -ERESTARTSYS;
                    break;
                }
                __prepare_to_swait(&raw mut (*x).wait, &raw mut wait);
                (*current()).__state = state;
                _raw_spin_unlock_irqrestore(&raw mut (*x).wait.lock, 0);
                timeout = schedule_timeout(timeout);
                _raw_spin_lock_irqsave(&raw mut (*x).wait.lock);
                if (*x).done != 0 || timeout == 0 {
                    break;
                }
            }
            // `__finish_swait()`.
            (*current()).__state = TASK_RUNNING;
            if !list_empty(&raw mut wait.task_list) {
                list_del_init(&raw mut wait.task_list);
            }
            if (*x).done == 0 {
                return timeout;
            }
        }
        if (*x).done != c_uint::MAX {
            (*x).done -= 1;
            wrote_done(x);
        }
        match timeout {
            0 => 1,
            timeout => timeout,
        }
    }
}

unsafe fn wait_for_common(x: *mut completion, timeout: c_long, state: u32) -> c_long {
    might_sleep();
    machine::trace("wait_for_completion");
    // SAFETY: The caller has a completion.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*x).wait.lock);
        let timeout = do_wait_for_common(x, timeout, state);
        _raw_spin_unlock_irqrestore(&raw mut (*x).wait.lock, flags);
        timeout
    }
}

fn errno_or_zero(timeout: c_long) -> c_int {
    timeout.min(0) as c_int
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn wait_for_completion(x: *mut completion) {
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe { wait_for_common(x, MAX_SCHEDULE_TIMEOUT, TASK_UNINTERRUPTIBLE) };
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn wait_for_completion_timeout(x: *mut completion, timeout: c_ulong) -> c_ulong {
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe { wait_for_common(x, timeout as c_long, TASK_UNINTERRUPTIBLE) as c_ulong }
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn wait_for_completion_interruptible(x: *mut completion) -> c_int {
    // SAFETY: The caller guarantees that `x` is initialised.
    errno_or_zero(unsafe { wait_for_common(x, MAX_SCHEDULE_TIMEOUT, TASK_INTERRUPTIBLE) })
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn wait_for_completion_killable(x: *mut completion) -> c_int {
    // SAFETY: The caller guarantees that `x` is initialised.
    errno_or_zero(unsafe { wait_for_common(x, MAX_SCHEDULE_TIMEOUT, TASK_KILLABLE) })
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn wait_for_completion_interruptible_timeout(
    x: *mut completion,
    timeout: c_ulong,
) -> c_long {
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe { wait_for_common(x, timeout as c_long, TASK_INTERRUPTIBLE) }
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn wait_for_completion_killable_timeout(x: *mut completion, timeout: c_ulong) -> c_long {
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe { wait_for_common(x, timeout as c_long, TASK_KILLABLE) }
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn try_wait_for_completion(x: *mut completion) -> bool {
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe {
        machine::step("try_wait_for_completion");
        machine::check(x, "a completion");
        // `READ_ONCE(x->done)`.
        machine::loaded((&raw const (*x).done).addr(), Order::Relaxed);
        if (*x).done == 0 {
            return false;
        }
        let flags = _raw_spin_lock_irqsave(&raw mut (*x).wait.lock);
        let found = (*x).done != 0;
        if found && (*x).done != c_uint::MAX {
            (*x).done -= 1;
            wrote_done(x);
        }
        _raw_spin_unlock_irqrestore(&raw mut (*x).wait.lock, flags);
        found
    }
}

/// # Safety
///
/// `x` must be initialised.
pub unsafe fn completion_done(x: *mut completion) -> bool {
    // SAFETY: The caller guarantees that `x` is initialised.
    unsafe {
        machine::step("completion_done");
        machine::loaded((&raw const (*x).done).addr(), Order::Relaxed);
        (*x).done != 0
    }
}

/// With the lock held.
unsafe fn __prepare_to_swait(q: *mut swait_queue_head, wait: *mut swait_queue) {
    // SAFETY: The lock is held, and the waiter is the caller's.
    unsafe {
        (*wait).task = current();
        if list_empty(&raw mut (*wait).task_list) {
            list_add_tail(&raw mut (*wait).task_list, &raw mut (*q).task_list);
        }
    }
}

/// # Safety
///
/// `q` and `wait` must be initialised.
pub unsafe fn prepare_to_swait_exclusive(
    q: *mut swait_queue_head,
    wait: *mut swait_queue,
    state: c_int,
) {
    // SAFETY: The caller guarantees that `q` and `wait` are initialised.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*q).lock);
        __prepare_to_swait(q, wait);
        (*current()).__state = state as u32;
        machine::full_barrier();
        _raw_spin_unlock_irqrestore(&raw mut (*q).lock, flags);
    }
}

/// # Safety
///
/// `q` and `wait` must be initialised.
pub unsafe fn finish_swait(q: *mut swait_queue_head, wait: *mut swait_queue) {
    machine::step("finish_swait");
    // SAFETY: The caller guarantees that `q` and `wait` are initialised.
    unsafe {
        (*current()).__state = TASK_RUNNING;
        // `list_empty_careful()`.
        if !list_empty(&raw mut (*wait).task_list) {
            let flags = _raw_spin_lock_irqsave(&raw mut (*q).lock);
            list_del_init(&raw mut (*wait).task_list);
            _raw_spin_unlock_irqrestore(&raw mut (*q).lock, flags);
        }
    }
}
