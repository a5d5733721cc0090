// SPDX-License-Identifier: GPL-2.0

//! Waiting for a task to exit.
//!
//! Every kernel thread has a completion, `exited` in `struct kthread`, that is completed once, when
//! the task is so far in `do_exit()` that it no longer runs code of a module, whether it returned
//! or died. `kthread_stop()` waits for it. Other callers do so here: each one that gets through
//! completes it again for the next.
//!
//! C source: [`kernel/kthread.c`](srctree/kernel/kthread.c), `complete_vfork_done()` in
//! [`kernel/fork.c`](srctree/kernel/fork.c)

use super::{
    barrier::smp_mb,
    completion::Completion,
    ffi::init_list_head, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        atomic_load,
        Full,
        Relaxed, //
    },
    task::{
        might_sleep,
        Task, //
    },
    types::Opaque, //
};

/// The exit of a task.
///
/// # Invariants
///
/// The pointer is the completion of the exit of a task, to which the owner of this has a reference.
#[derive(Clone, Copy)]
pub(super) struct Exit(NonNull<bindings::completion>);

impl Exit {
    /// Finds the completion of a new task.
    ///
    /// # Safety
    ///
    /// `task` must be a kernel thread that has never been woken, and the result must not be used
    /// after the last reference to the task is gone.
    pub(super) unsafe fn of(task: &Task) -> Self {
        // SAFETY: The caller guarantees that the task has never been woken, so it does not exit
        // during this call.
        let exited = unsafe { (*task.as_ptr()).vfork_done };

        // INVARIANT: `set_kthread_struct()` has stored the completion there, which lives as long as
        // the task.
        //
        // SAFETY: It stays there until the task exits.
        Self(unsafe { NonNull::new_unchecked(exited) })
    }

    /// Waits for the exit; nothing else ends the wait.
    ///
    /// Sleeps.
    pub(super) fn wait(self) {
        // SAFETY: By the type invariants the completion is valid.
        unsafe { bindings::wait_for_completion(self.0.as_ptr()) };
        self.pass();
    }

    /// Lets the next waiter through.
    ///
    /// The task must have exited.
    fn pass(self) {
        // SAFETY: By the type invariants the completion is valid.
        unsafe { bindings::complete(self.0.as_ptr()) };
    }

    /// Lets all waiters through, now and later.
    ///
    /// The task must have exited.
    pub(super) fn open(self) {
        // SAFETY: By the type invariants the completion is valid.
        unsafe { bindings::complete_all(self.0.as_ptr()) };
    }

    /// Returns whether the task has exited.
    ///
    /// May be false for a moment after it has, while a waiter gets through.
    pub(super) fn has_come(self) -> bool {
        // ORDERING: proofs/litmus/exit-seen.litmus
        // ORDERING: proofs/litmus/leave.litmus
        // SAFETY: By the type invariants the completion is valid, and others change the number with
        // single writes.
        unsafe { atomic_load(&raw mut (*self.0.as_ptr()).done, Relaxed) != 0 }
    }

    /// Waits until the task has exited, and calls `pass_on` once if the caller is asked for
    /// something in the meantime.
    ///
    /// `is_asked` is also called in an uninterruptible sleep, and must only read. Code that makes
    /// it true has to wake the caller.
    ///
    /// Sleeps.
    pub(super) fn wait_or(self, is_asked: impl Fn() -> bool, pass_on: impl FnOnce()) {
        if !self.sleep_until([self.queue()], is_asked) {
            pass_on();
        }
        self.wait();
    }

    /// Waits until `done` is completed or the task has exited, and returns whether it was
    /// completed.
    ///
    /// Sleeps.
    pub(super) fn wait_with(self, done: &Completion) -> bool {
        // ORDERING: proofs/litmus/worker-call.litmus
        // SAFETY: The completion is valid.
        let also = unsafe { &raw mut (*done.as_raw()).wait };

        !self.sleep_until([also, self.queue()], || done.try_wait()) || done.try_wait()
    }

    /// Returns the queue in which the waiters sleep.
    fn queue(self) -> *mut bindings::swait_queue_head {
        // SAFETY: By the type invariants the completion is valid.
        unsafe { &raw mut (*self.0.as_ptr()).wait }
    }

    /// Sleeps in all of `queues`, the queues of completions, until `is_ready` returns true, or
    /// until the task has exited, in which case this returns true.
    fn sleep_until<const N: usize>(
        self,
        queues: [*mut bindings::swait_queue_head; N],
        is_ready: impl Fn() -> bool,
    ) -> bool {
        // ORDERING: proofs/litmus/asked-join.litmus
        // ORDERING: proofs/litmus/exit-seen.litmus
        // ORDERING: proofs/litmus/exit-sleep.litmus
        might_sleep();

        // Only a few C functions access these, and none of them unwinds.
        let waiters = [const { Opaque::<bindings::swait_queue>::uninit() }; N];
        for waiter in &waiters {
            // SAFETY: Nobody else has the address of the waiter. It is not moved while it is in a
            // queue, and it has left the queues when this function returns.
            unsafe { init_list_head(&raw mut (*waiter.get()).task_list) };
        }
        let exited = loop {
            for (queue, waiter) in queues.iter().zip(&waiters) {
                // SAFETY: The queues are initialised, and so are the parts of the waiter that this
                // function does not set.
                unsafe {
                    bindings::prepare_to_swait_exclusive(
                        *queue,
                        waiter.get(),
                        bindings::TASK_UNINTERRUPTIBLE as c_int,
                    )
                };
            }
            // The barrier after the state of the task has been set pairs with that of
            // `wake_up_process()`: everything that came earlier is seen, and everything that comes
            // later wakes the task.
            if is_ready() {
                break false;
            }
            if self.has_come() {
                break true;
            }
            // SAFETY: The state of the task has been set, and this is process context.
            unsafe { bindings::schedule() };
            // Usually it is now, and the caller need not queue again.
            if is_ready() {
                break false;
            }
        };

        for (queue, waiter) in queues.iter().zip(&waiters) {
            // SAFETY: Queue and waiter are initialised.
            unsafe { bindings::finish_swait(*queue, waiter.get()) };
        }
        // If the thread has exited, the caller owns its data from here on.
        smp_mb(Full);
        // The exit wakes one waiter, which may have been this one although it leaves for another
        // reason. If the wake-up took it out of the queue, it sees the count.
        if self.has_come() {
            self.pass();
        }
        exited
    }
}
