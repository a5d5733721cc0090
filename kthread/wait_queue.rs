// SPDX-License-Identifier: GPL-2.0

//! Wait queues, mostly of other code.
//!
//! While a thread is on a wait queue, a wake-up of the queue also wakes the thread. Its entry in
//! the queue has the function `woken_wake_function()` of C, which sets a flag in the entry and
//! wakes the task. The waits of the thread check that flag in addition to its token.
//!
//! A thread may die while it is on a queue. Its entry then stays there, and others reach it,
//! perhaps after the module is gone. So the entry is not on the stack, has a reference to the task,
//! and calls no code of this module.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::barrier::smp_mb;
use core::{
    cell::Cell,
    ptr::null_mut, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Full, //
    },
    task::Task,
    types::Opaque, //
};

/// A queue of waiting tasks.
///
/// Sockets, files and drivers in C announce events on them. A thread waits on one in
/// [`Context::with_wait_queue`].
///
/// Wraps `struct wait_queue_head`.
///
/// # Examples
///
/// ```
/// let queue = KBox::pin_init(WaitQueue::new(), GFP_KERNEL)?;
///
/// // Nobody waits.
/// queue.wake_up_all();
/// # Ok::<(), Error>(())
/// ```
///
/// [`Context::with_wait_queue`]: super::Context::with_wait_queue
#[doc(alias = "wait_queue_head_t")]
#[pin_data]
#[repr(transparent)]
pub struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A `struct wait_queue_head` belongs to no task, so any task may use or drop it.
unsafe impl Send for WaitQueue {}

// SAFETY: All that `&WaitQueue` gives access to is serialised by the lock in the C structure.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Creates an initialiser for an empty queue.
    #[doc(alias = "init_waitqueue_head")]
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            head <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes, and pinned from here on. Name and key are
                // static.
                unsafe {
                    bindings::__init_waitqueue_head(
                        slot,
                        c"kthread::WaitQueue".as_char_ptr(),
                        kernel::static_lock_class!().as_ptr(),
                    )
                }
            }),
        })
    }

    /// Converts a pointer, for bindings to the C code that owns the queue.
    ///
    /// # Safety
    ///
    /// `queue` must point to an initialised queue that lives for `'a`.
    ///
    /// # Examples
    ///
    /// ```
    /// struct Socket(*mut bindings::wait_queue_head);
    ///
    /// impl Socket {
    ///     fn queue(&self) -> &WaitQueue {
    ///         // SAFETY: The queue is valid as long as the socket.
    ///         unsafe { WaitQueue::from_raw(self.0) }
    ///     }
    /// }
    /// ```
    pub unsafe fn from_raw<'a>(queue: *mut bindings::wait_queue_head) -> &'a Self {
        // SAFETY: The caller guarantees an initialised queue that lives for `'a`. The type is
        // transparent.
        unsafe { &*queue.cast() }
    }

    /// Returns the queue as C takes it.
    pub fn as_raw(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }

    /// Wakes all waiters, but only the first exclusive one; only C code waits exclusively.
    ///
    /// May be called from any context, on `PREEMPT_RT` from any but a hard interrupt.
    ///
    /// Wraps `__wake_up()` of [`kernel/sched/wait.c`](srctree/kernel/sched/wait.c), as `wake_up()`
    /// does.
    pub fn wake_up(&self) {
        self.wake(1);
    }

    /// Wakes all waiters.
    ///
    /// The context is that of [`WaitQueue::wake_up`].
    ///
    /// Wraps `__wake_up()` of [`kernel/sched/wait.c`](srctree/kernel/sched/wait.c), as
    /// `wake_up_all()` does.
    pub fn wake_up_all(&self) {
        self.wake(0);
    }

    /// The number 0 wakes all exclusive waiters.
    fn wake(&self, exclusive: c_int) {
        let mode = bindings::TASK_INTERRUPTIBLE | bindings::TASK_UNINTERRUPTIBLE;

        // SAFETY: The queue is initialised.
        unsafe { bindings::__wake_up(self.as_raw(), mode, exclusive, null_mut()) };
    }
}

/// The entry of a thread in a queue.
struct Waiter {
    entry: Opaque<bindings::wait_queue_entry>,
    /// The entry that the thread queued before this one, or null.
    next: *const Waiter,
    /// Keeps the task that `entry` points to.
    _task: ARef<Task>,
}

impl Waiter {
    /// Clears the flag of the queue, and returns whether it was set.
    fn take(&self) -> bool {
        // ORDERING: proofs/litmus/queue-sleep.litmus
        // ORDERING: proofs/litmus/queue-take.litmus
        // SAFETY: The entry is initialised.
        let flags = unsafe { &raw mut (*self.entry.get()).flags };

        // SAFETY: The entry is initialised. `wait_woken()` also accesses the flags of its own entry
        // without the lock of the queue: under that lock, only this flag is changed.
        unsafe {
            let found = flags.read_volatile();

            if found & bindings::WQ_FLAG_WOKEN == 0 {
                return false;
            }
            flags.write_volatile(found & !bindings::WQ_FLAG_WOKEN);
        }
        // Pairs with the barrier of `woken_wake_function()`: if the flag was set at the same time,
        // everything before that is visible.
        smp_mb(Full);
        true
    }
}

/// The entries of a thread in the queues on which it waits, the last one first.
///
/// # Invariants
///
/// - Only the thread itself uses this.
/// - The entries in this list are valid.
pub(super) struct Waiters(Cell<*const Waiter>);

// SAFETY: It may be created and dropped in any task, and by the type invariants one thread uses it.
unsafe impl Send for Waiters {}

// SAFETY: By the type invariants only one thread uses it.
unsafe impl Sync for Waiters {}

impl Waiters {
    pub(super) fn new() -> Self {
        // INVARIANT: There are no entries.
        Self(Cell::new(core::ptr::null()))
    }

    /// Returns whether one of the queues has been woken since this was last called.
    ///
    /// If the task state was set before, with a barrier, a later wake-up of a queue wakes the task.
    #[inline]
    pub(super) fn take_woken(&self) -> bool {
        let first = self.0.get();

        !first.is_null() && Self::take_all(first)
    }

    #[cold]
    fn take_all(first: *const Waiter) -> bool {
        let mut waiter = first;
        let mut was_woken = false;

        // SAFETY: By the type invariants the entries in the list are valid.
        while let Some(found) = unsafe { waiter.as_ref() } {
            was_woken |= found.take();
            waiter = found.next;
        }
        was_woken
    }

    /// Calls `f` while the current thread, the owner of these entries, is on `queue`.
    pub(super) fn with<R>(
        &self,
        task: &Task,
        queue: &WaitQueue,
        f: impl FnOnce() -> R,
    ) -> Result<R> {
        // ORDERING: proofs/litmus/queue-join.litmus
        let entry = bindings::wait_queue_entry {
            flags: 0,
            private: task.as_ptr().cast(),
            func: Some(bindings::woken_wake_function),
            entry: Default::default(),
        };
        let waiter = KBox::new(
            Waiter {
                entry: Opaque::new(entry),
                next: self.0.get(),
                _task: ARef::from(task),
            },
            GFP_KERNEL,
        )?;
        let waiter = KBox::into_raw(waiter);

        // INVARIANT: The entry is valid until it is removed below.
        self.0.set(waiter);
        // SAFETY: Both are initialised, and the entry is in no queue. It leaves this queue before
        // `queue` ends, unless the thread dies, in which case neither is freed.
        unsafe { bindings::add_wait_queue(queue.as_raw(), (*waiter).entry.get()) };
        // A waker that finds the queue empty does not lock it. Pairs with its barrier: either it
        // finds the entry, or `f` sees what it did before.
        smp_mb(Full);
        let result = f();

        // SAFETY: It was added above, and wakers only change its flag.
        unsafe { bindings::remove_wait_queue(queue.as_raw(), (*waiter).entry.get()) };
        // SAFETY: It came from a `KBox`, and is in no queue any more.
        let waiter = unsafe { KBox::from_raw(waiter) };
        // INVARIANT: `f` has removed the entries that were added after this one.
        self.0.set(waiter.next);
        Ok(result)
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_wait_queue)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        },
        time::Delta, //
    };

    const HOUR: Delta = Delta::from_secs(3600);
    /// Each round passes a wake-up to a thread and back.
    const TIMES: usize = ROUNDS / 10;

    fn queue() -> Result<Arc<WaitQueue>> {
        Arc::pin_init(WaitQueue::new(), GFP_KERNEL)
    }

    #[test]
    fn a_wait_queue_of_others_ends_every_wait() -> Result {
        let group = group()?;
        let (queue, never) = (queue()?, queue()?);

        for wait in [
            (|ctx| ctx.wait()) as fn(&Context<'_>) -> Wake,
            |ctx| ctx.wait_timeout(HOUR),
            |ctx| {
                let mut calls = 0;
                ctx.wait_until(|| {
                    calls += 1;
                    calls > 1
                })
            },
        ] {
            let (waits, never) = (queue.clone(), never.clone());
            let thread = group.spawn(fmt!("waits"), move |ctx| {
                // The thread is on both queues, so each is checked.
                ctx.with_wait_queue(&waits, || ctx.with_wait_queue(&never, || wait(ctx)))
            })?;

            assert!(eventually(|| {
                // As in C code that knows that nobody waits uninterruptibly.
                //
                // SAFETY: The queue is initialised.
                unsafe {
                    bindings::__wake_up(
                        queue.as_raw(),
                        bindings::TASK_INTERRUPTIBLE,
                        1,
                        ::core::ptr::null_mut(),
                    )
                };
                thread.is_finished()
            }));
            assert_eq!(thread.join(), Ok(Ok(Ok(Wake::Ready))));
        }
        Ok(())
    }

    #[test]
    fn no_wake_up_of_a_wait_queue_is_lost() -> Result {
        let group = group()?;
        let queue = queue()?;
        let (ping, pong) = (count()?, Arc::pin_init(Completion::new(), GFP_KERNEL)?);
        let (seen, echo, waits) = (ping.clone(), pong.clone(), queue.clone());
        let thread = group.spawn(fmt!("ping"), move |ctx| -> Result<_> {
            let mut done = 0;
            // On the queue for the whole first half, and only during each wait in the second.
            ctx.with_wait_queue(&waits, || {
                while done < TIMES / 2
                    && ctx.wait_until(|| seen.load(Relaxed) > done) == Wake::Ready
                {
                    done += 1;
                    echo.complete();
                }
            })?;
            while ctx.with_wait_queue(&waits, || ctx.wait_until(|| seen.load(Relaxed) > done))?
                == Wake::Ready
            {
                done += 1;
                echo.complete();
            }
            Ok(done)
        })?;

        for _ in 0..TIMES {
            ping.fetch_add(1, Relaxed);
            queue.wake_up();
            pong.wait_for_completion();
        }
        assert_eq!(thread.stop(), Ok(Ok(TIMES)));
        Ok(())
    }

    #[test]
    fn a_thread_on_a_wait_queue_parks_and_stops_like_any_other() -> Result {
        let group = group()?;
        let queue = queue()?;
        let steps = count()?;
        let (waits, seen) = (queue.clone(), steps.clone());
        let mut thread = group.spawn(fmt!("parkee"), move |ctx| {
            ctx.with_wait_queue(&waits, || loop {
                match ctx.wait() {
                    Wake::Ready => seen.fetch_add(1, Relaxed),
                    other => return other,
                };
            })
        })?;

        // It is on the queue from here on.
        assert!(eventually(|| {
            queue.wake_up_all();
            steps.load(Relaxed) > 0
        }));
        for _ in 0..ROUNDS / 10 {
            thread.park()?;
            let before = steps.load(Relaxed);
            queue.wake_up_all();
            assert_eq!(steps.load(Relaxed), before);
            thread.unpark()?;
            // The wake-up of the parked thread was kept.
            assert!(eventually(|| steps.load(Relaxed) > before));
        }
        assert_eq!(thread.stop(), Ok(Ok(Wake::Stop)));
        Ok(())
    }

    #[test]
    fn a_thread_that_has_left_a_wait_queue_is_not_woken_by_it() -> Result {
        let group = group()?;
        let queue = queue()?;
        let (left, woken) = (count()?, Arc::pin_init(Completion::new(), GFP_KERNEL)?);
        let (waits, told, goes) = (queue.clone(), left.clone(), woken.clone());
        let thread = group.spawn(fmt!("leaves"), move |ctx| -> Result<_> {
            let seven = ctx.with_wait_queue(&waits, || 7)?;

            told.fetch_add(1, Relaxed);
            goes.wait_for_completion();
            Ok((seven, ctx.wait_timeout(Delta::from_millis(1))))
        })?;

        assert!(eventually(|| left.load(Relaxed) == 1));
        queue.wake_up_all();
        woken.complete();
        assert_eq!(thread.join(), Ok(Ok((7, Wake::Timeout))));
        Ok(())
    }
}
