// SPDX-License-Identifier: GPL-2.0

//! kernel/freezer.c, for kernel threads.
//!
//! No code here sleeps in a state that includes `TASK_FREEZABLE`, so a task is only frozen in
//! [`__refrigerator()`].

use super::{
    kthread::kthread_should_stop,
    sched::*,
    types::*, //
};
use crate::machine;

/// # Safety
///
/// The task must be valid.
pub unsafe fn freezing(task: *mut task_struct) -> bool {
    machine::check(task, "a task to be frozen");
    // SAFETY: The caller guarantees that the task is valid.
    machine::machine().freezing && unsafe { (*task).flags } & PF_NOFREEZE == 0
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn __refrigerator(check_kthr_stop: bool) -> bool {
    let task = current();
    let mut was_frozen = false;

    // SAFETY: The current task is valid, and the caller guarantees that it is a kernel thread.
    unsafe {
        let state = (*task).__state;
        assert!(
            state == TASK_RUNNING || state & TASK_NORMAL != 0,
            "WARNING: the refrigerator is entered in state {state}"
        );
        loop {
            set_current_state(TASK_FROZEN);
            machine::step("freezing");
            if !freezing(task) || check_kthr_stop && kthread_should_stop() {
                break;
            }
            was_frozen = true;
            schedule();
        }
        machine::step("__set_current_state");
        (*task).__state = TASK_RUNNING;
    }
    was_frozen
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn try_to_freeze() -> bool {
    might_sleep();
    // Without a freezer this is no step, of which the other tests would have too many.
    if !machine::machine().has_freezer {
        return false;
    }
    machine::step("freezing");
    // SAFETY: The caller guarantees that the current task is a kernel thread.
    unsafe { freezing(current()) && __refrigerator(false) }
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn set_freezable() -> bool {
    might_sleep();
    machine::step("set_freezable");
    // SAFETY: The current task is valid, and the caller guarantees that it is a kernel thread.
    unsafe {
        (*current()).flags &= !PF_NOFREEZE;
        try_to_freeze()
    }
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn kthread_freezable_should_stop(was_frozen: *mut bool) -> bool {
    might_sleep();
    machine::step("freezing");
    // SAFETY: The caller guarantees that the current task is a kernel thread, and passes a valid
    // pointer.
    unsafe {
        *was_frozen = freezing(current()) && __refrigerator(true);
        kthread_should_stop()
    }
}

/// Holds `freezer_lock`. A dead task has nothing to freeze.
///
/// # Safety
///
/// The task must be a kernel thread.
unsafe fn freeze_task(task: *mut task_struct) -> bool {
    machine::step("freeze_task");
    // SAFETY: The caller guarantees that the task is a kernel thread.
    unsafe {
        if !freezing(task) || (*task).__state & (TASK_FROZEN | TASK_DEAD) != 0 {
            return false;
        }
        try_to_wake_up(task, TASK_NORMAL);
    }
    true
}

/// Calls `f` with each kernel thread that has not exited, and returns how often that returns true.
///
/// C holds `tasklist_lock` for that, so that no task is freed.
fn count(f: unsafe fn(*mut task_struct) -> bool) -> usize {
    let mut ids: Vec<usize> = machine::machine().tasks.keys().copied().collect();
    let mut found = 0;

    ids.sort();
    for id in ids {
        let Some(task) = machine::machine().tasks.get(&id).copied() else {
            continue;
        };
        // SAFETY: The task has not exited, so it is valid, and `f` has a reference to it.
        unsafe {
            if (*task).flags & PF_KTHREAD != 0 {
                get_task_struct(task);
                found += usize::from(f(task));
                put_task_struct(task);
            }
        }
    }
    found
}

/// `freeze_kernel_threads()`, which waits for as long as it takes.
pub fn freeze_kernel_threads() {
    machine::step("pm_nosig_freezing");
    machine::machine().freezing = true;
    while count(freeze_task) > 0 {
        machine::give_way();
    }
}

/// The number of frozen kernel threads.
pub fn frozen() -> usize {
    // SAFETY: `count` passes valid tasks.
    count(|task| unsafe { (*task).__state & TASK_FROZEN != 0 })
}

/// # Safety
///
/// The task must be valid.
unsafe fn __thaw_task(task: *mut task_struct) -> bool {
    machine::step("__thaw_task");
    // SAFETY: The caller guarantees that the task is valid.
    unsafe { try_to_wake_up(task, TASK_FROZEN) }
}

pub fn thaw_kernel_threads() {
    machine::step("pm_nosig_freezing");
    machine::machine().freezing = false;
    count(__thaw_task);
}
