// SPDX-License-Identifier: GPL-2.0

//! kernel/signal.c, for signals that kernel threads allow.
//!
//! Kernel threads have no handlers, so nothing happens to a task that takes a signal.

use super::{freezer::freezing, kthread::*, lock::*, sched::*, types::*};
use crate::{
    ffi::*,
    machine::{self, Order},
};

pub const SIGHUP: u32 = 1;
pub const SIGINT: u32 = 2;
pub const SIGQUIT: u32 = 3;
pub const SIGKILL: u32 = 9;
pub const SIGUSR1: u32 = 10;
pub const SIGUSR2: u32 = 12;
pub const SIGTERM: u32 = 15;
pub const SIGCHLD: u32 = 17;
pub const SIGCONT: u32 = 18;
pub const SIGSTOP: u32 = 19;

pub const SIG_IGN: usize = 1;

pub const fn sigmask(number: u32) -> c_ulong {
    1 << (number - 1)
}

unsafe fn lock(task: *mut task_struct) {
    machine::check(task, "a task with signals");
    // SAFETY: The caller has a valid task.
    unsafe { _raw_spin_lock_irqsave(&raw mut (*task).sighand.siglock) };
}

unsafe fn unlock(task: *mut task_struct) {
    // SAFETY: The caller has the lock of a valid task.
    unsafe { _raw_spin_unlock_irqrestore(&raw mut (*task).sighand.siglock, 0) };
}

/// Changes a set of pending signals, which others read without the lock.
unsafe fn change(set: *mut sigpending, f: impl FnOnce(c_ulong) -> c_ulong) {
    // SAFETY: The caller has the lock of a valid task.
    unsafe {
        (*set).signal.sig[0] = f((*set).signal.sig[0]);
        machine::stored((&raw const (*set).signal.sig[0]).addr(), Order::Relaxed);
    }
}

/// `flush_sigqueue_mask()`, for both sets.
unsafe fn flush(task: *mut task_struct, mask: c_ulong) {
    // SAFETY: The caller has the lock of a valid task.
    unsafe {
        change(&raw mut (*(*task).signal).shared_pending, |set| set & !mask);
        change(&raw mut (*task).pending, |set| set & !mask);
    }
}

unsafe fn recalc_sigpending() {
    // SAFETY: The current task is valid, and the caller has its lock.
    unsafe {
        let task = current();
        let flags = &raw mut (*task).thread_info.flags;
        let pending =
            (*task).pending.signal.sig[0] | (*(*task).signal).shared_pending.signal.sig[0];

        if pending != 0 {
            set_bit(TIF_SIGPENDING as c_ulong, flags);
        } else if !freezing(task) {
            clear_bit(TIF_SIGPENDING as c_ulong, flags);
        }
    }
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn kernel_sigaction(number: c_int, action: __sighandler_t) {
    let task = current();
    let action = action.map_or(0, |action| action as usize);

    // SAFETY: The current task is valid.
    unsafe {
        lock(task);
        (*task).sighand.action[number as usize - 1] = action;
        if action == SIG_IGN {
            flush(task, sigmask(number as u32));
            recalc_sigpending();
        }
        unlock(task);
    }
}

unsafe fn send(number: u32, task: *mut task_struct, to_thread: bool) {
    // SAFETY: The caller has a reference to the task.
    unsafe {
        let pending = match to_thread {
            true => &raw mut (*task).pending,
            false => &raw mut (*(*task).signal).shared_pending,
        };
        lock(task);
        // `task_can_queue_signal()`.
        if to_thread && (*task).flags & PF_EXITING != 0 {
            unlock(task);
            return;
        }
        // `prepare_signal()`.
        match number {
            SIGSTOP => flush(task, sigmask(SIGCONT)),
            SIGCONT => flush(task, sigmask(SIGSTOP)),
            _ => {}
        }
        let is_ignored = (*task).sighand.action[number as usize - 1] == SIG_IGN;
        // `legacy_queue()`.
        let is_pending = (*pending).signal.sig[0] & sigmask(number) != 0;

        if !is_ignored && !is_pending {
            change(pending, |set| set | sigmask(number));
            complete_signal(number, task);
        }
        unlock(task);
    }
}

unsafe fn complete_signal(number: u32, task: *mut task_struct) {
    // SAFETY: The caller has the lock, and a reference to the task.
    unsafe {
        let flags = &raw mut (*task).thread_info.flags;
        // `wants_signal()`. Each task that is not blocked has a CPU here.
        let is_exiting = (*task).flags & PF_EXITING != 0;
        let is_marked = (*task).is_blocked && *flags & 1 << TIF_SIGPENDING != 0;

        if is_exiting || number != SIGKILL && is_marked {
            return;
        }
        // `signal_wake_up()`.
        set_bit(TIF_SIGPENDING as c_ulong, flags);
        machine::step("wake_up_state");
        let killable = if number == SIGKILL { TASK_WAKEKILL } else { 0 };
        try_to_wake_up(task, TASK_INTERRUPTIBLE | killable);
    }
}

/// Sends a signal to the thread, as `tgkill(2)` does.
///
/// # Safety
///
/// The caller must have a reference to the task.
pub unsafe fn send_sig(number: u32, task: *mut task_struct) {
    // SAFETY: The caller guarantees that there is a reference to the task.
    unsafe { send(number, task, true) };
}

/// Sends a signal to the process, as `kill(2)` does.
///
/// # Safety
///
/// The caller must have a reference to the task.
pub unsafe fn kill_pid(number: u32, task: *mut task_struct) {
    // SAFETY: The caller guarantees that there is a reference to the task.
    unsafe { send(number, task, false) };
}
