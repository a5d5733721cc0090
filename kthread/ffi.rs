// SPDX-License-Identifier: GPL-2.0

//! Macros and inline functions of C, which the bindings lack.

use super::barrier::smp_mb;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        AtomicType,
        Full, //
    },
    task::Task, //
};

/// Reads an atomic that is read often, as `READ_ONCE()` does.
///
/// [`Atomic::load`] is an out-of-line call without `CONFIG_RUST_INLINE_HELPERS`, which makes
/// `Context::should_stop` take three times the instructions of `kthread_should_stop()`.
#[inline(always)]
pub(super) fn read_once<T: AtomicType>(atomic: &Atomic<T>) -> T {
    // FIXME(read_once): Replace with `load(Relaxed)` when that is always inlined.
    //
    // SAFETY: The pointer is valid, only values of `T` are stored in it, and a volatile read of a
    // word does not race with atomic accesses.
    unsafe { atomic.as_ptr().read_volatile() }
}

/// Writes an atomic without any ordering, as `WRITE_ONCE()` does.
///
/// See [`read_once`].
#[inline(always)]
pub(super) fn write_once<T: AtomicType>(atomic: &Atomic<T>, value: T) {
    // FIXME(write_once): Replace with `store(.., Relaxed)` when that is always inlined.
    //
    // SAFETY: The pointer is valid, and a volatile write of a word does not race with atomic
    // accesses.
    unsafe { atomic.as_ptr().write_volatile(value) }
}

/// `__set_current_state()`: no barrier.
///
/// In addition, the macro stores the address of its caller for `CONFIG_DEBUG_ATOMIC_SLEEP`, and
/// calls the tracepoint `sched_set_state_tp`.
#[inline]
pub(super) fn __set_current_state(state: u32) {
    // FIXME(write_once): Replace with `atomic_store(.., Relaxed)`, which is a call today.
    //
    // SAFETY: The current task is alive. Only the task itself and its wakers write its state, as
    // the scheduler expects.
    unsafe { (&raw mut (*Task::current_raw()).__state).write_volatile(state) };
}

/// `set_current_state()`: a full barrier follows, so later reads are not older than the state.
#[inline]
pub(super) fn set_current_state(state: u32) {
    // ORDERING: proofs/litmus/wake-wait.litmus
    __set_current_state(state);
    smp_mb(Full);
}

/// `READ_ONCE(task->flags)`.
#[inline]
pub(super) fn task_flags(task: &Task) -> u32 {
    // ORDERING: proofs/litmus/exiting.litmus
    // FIXME(read_once): Replace with `atomic_load(.., Relaxed)`, which is a call today.
    //
    // SAFETY: The task is valid. In C, too, others read the flags while the task changes them.
    unsafe { (&raw const (*task.as_ptr()).flags).read_volatile() }
}

/// `set_tsk_thread_flag(task, TIF_NOTIFY_SIGNAL)`: ends interruptible sleeps of the task, the next
/// ones included, once it is woken.
pub(super) fn set_notify_signal(task: &Task) {
    // ORDERING: proofs/litmus/asked-sleep.litmus
    // SAFETY: The task is valid, and the word is changed atomically.
    unsafe {
        bindings::set_bit(
            bindings::TIF_NOTIFY_SIGNAL as c_ulong,
            &raw mut (*task.as_ptr()).thread_info.flags,
        )
    };
}

/// `clear_thread_flag(TIF_NOTIFY_SIGNAL)`.
pub(super) fn clear_notify_signal() {
    // ORDERING: proofs/litmus/interrupt-stop.litmus
    // SAFETY: The current task is alive. The word is changed atomically.
    unsafe {
        bindings::clear_bit(
            bindings::TIF_NOTIFY_SIGNAL as c_ulong,
            &raw mut (*Task::current_raw()).thread_info.flags,
        )
    };
}

/// `INIT_LIST_HEAD()`.
///
/// # Safety
///
/// `list` must be valid for writes, and nobody else may access it.
pub(super) unsafe fn init_list_head(list: *mut bindings::list_head) {
    // SAFETY: The caller guarantees that `list` is valid for writes, and accessed by nobody else.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
}

/// `!list_empty()`, of an entry.
///
/// # Safety
///
/// `entry` must be initialised, and nobody may change it during this call.
pub(super) unsafe fn is_linked(entry: *mut bindings::list_head) -> bool {
    // SAFETY: The caller guarantees that `entry` is initialised, and does not change.
    !core::ptr::eq(unsafe { (*entry).next }, entry)
}

/// `list_del_init()`.
///
/// # Safety
///
/// `entry` must be initialised, and nobody may access it or its list during this call.
pub(super) unsafe fn list_del_init(entry: *mut bindings::list_head) {
    // SAFETY: The caller guarantees that nobody else accesses `entry` or its list. The neighbours
    // of an entry that is in no list are itself.
    unsafe {
        (*(*entry).next).prev = (*entry).prev;
        (*(*entry).prev).next = (*entry).next;
        init_list_head(entry);
    }
}
