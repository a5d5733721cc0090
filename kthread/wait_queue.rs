// SPDX-License-Identifier: GPL-2.0

//! Wait queues, mostly those of others.
//!
//! While a thread is on a wait queue, whatever wakes those who wait there wakes it, too. It has an
//! entry of its own in the queue, whose function is C's `woken_wake_function()`: that raises a flag
//! in the entry, which the waits of the thread look for beside its token, and wakes the task.
//!
//! A thread may die while it is on a queue. Then its entry stays there for good, and others come
//! across it, perhaps when the module is gone. So the entry is not on the stack, has a reference to
//! the task, and calls no code of this module.
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

/// A queue of those who wait for something.
///
/// Sockets, files and drivers in C have them, and say by them that there is something to do. A
/// thread waits there within [`Context::with_wait_queue`].
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

// SAFETY: A `struct wait_queue_head` belongs to no task, so that any may use or drop it.
unsafe impl Send for WaitQueue {}

// SAFETY: All that `&WaitQueue` gives access to is serialised by the lock in the C structure.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Creates an initialiser for a queue on which nobody waits.
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

    /// Finds the queue behind a pointer, as a binding to the C code that owns it does.
    ///
    /// # Safety
    ///
    /// `queue` must point to an initialised queue that is there as long as `'a`.
    ///
    /// # Examples
    ///
    /// ```
    /// struct Socket(*mut bindings::wait_queue_head);
    ///
    /// impl Socket {
    ///     fn queue(&self) -> &WaitQueue {
    ///         // SAFETY: The queue is there as long as the socket.
    ///         unsafe { WaitQueue::from_raw(self.0) }
    ///     }
    /// }
    /// ```
    pub unsafe fn from_raw<'a>(queue: *mut bindings::wait_queue_head) -> &'a Self {
        // SAFETY: By the requirements of this function. The type is transparent.
        unsafe { &*queue.cast() }
    }

    /// Returns the queue as C takes it.
    pub fn as_raw(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }

    /// Wakes all who wait, but of those who wait exclusively, as tasks in C may, only the first.
    ///
    /// May be called from any context, on `PREEMPT_RT` from any but a hard interrupt.
    ///
    /// Wraps `__wake_up()` of [`kernel/sched/wait.c`](srctree/kernel/sched/wait.c), as `wake_up()`
    /// does.
    pub fn wake_up(&self) {
        self.wake(1);
    }

    /// Wakes all who wait.
    ///
    /// Context is that of [`WaitQueue::wake_up`].
    ///
    /// Wraps `__wake_up()` of [`kernel/sched/wait.c`](srctree/kernel/sched/wait.c), as
    /// `wake_up_all()` does.
    pub fn wake_up_all(&self) {
        self.wake(0);
    }

    /// With 0 for the number of those who wait exclusively, this wakes them all.
    fn wake(&self, exclusive: c_int) {
        let mode = bindings::TASK_INTERRUPTIBLE | bindings::TASK_UNINTERRUPTIBLE;

        // SAFETY: The queue is initialised.
        unsafe { bindings::__wake_up(self.as_raw(), mode, exclusive, null_mut()) };
    }
}

/// The entry of a thread in a queue.
struct Waiter {
    entry: Opaque<bindings::wait_queue_entry>,
    /// The entry that the thread has put into a queue before this one, or null.
    next: *const Waiter,
    /// Keeps what `entry` points to.
    _task: ARef<Task>,
}

impl Waiter {
    /// Takes the flag that the queue has raised, and returns whether it was.
    fn take(&self) -> bool {
        // ORDERING: proofs/litmus/queue-sleep.litmus
        // ORDERING: proofs/litmus/queue-take.litmus
        // SAFETY: The entry is initialised.
        let flags = unsafe { &raw mut (*self.entry.get()).flags };

        // SAFETY: As above. `wait_woken()` reads and writes the flags of its own entry without the
        // lock of the queue, too: under that lock, nothing but this flag is changed.
        unsafe {
            let found = flags.read_volatile();

            if found & bindings::WQ_FLAG_WOKEN == 0 {
                return false;
            }
            flags.write_volatile(found & !bindings::WQ_FLAG_WOKEN);
        }
        // Pairs with the barrier of `woken_wake_function()`: if the flag was raised at the same
        // time, then what was done before that is seen.
        smp_mb(Full);
        true
    }
}

/// The entries of a thread in the queues on which it waits now, the last one first.
///
/// # Invariants
///
/// - Only the thread itself uses this.
/// - What it points to, and so on, are entries that are there.
pub(super) struct Waiters(Cell<*const Waiter>);

// SAFETY: It can be created and dropped anywhere, and by the type invariants is used in one thread.
unsafe impl Send for Waiters {}

// SAFETY: By the type invariants it is used in one thread only.
unsafe impl Sync for Waiters {}

impl Waiters {
    pub(super) fn new() -> Self {
        // INVARIANT: There are no entries.
        Self(Cell::new(core::ptr::null()))
    }

    /// Returns whether one of the queues has been woken since this was last called.
    ///
    /// If the state of the task was set before, with a barrier, a queue that is woken after this
    /// wakes the task.
    #[inline]
    pub(super) fn take_woken(&self) -> bool {
        let first = self.0.get();

        !first.is_null() && Self::take_all(first)
    }

    #[cold]
    fn take_all(first: *const Waiter) -> bool {
        let mut waiter = first;
        let mut was_woken = false;

        // SAFETY: By the type invariants.
        while let Some(found) = unsafe { waiter.as_ref() } {
            was_woken |= found.take();
            waiter = found.next;
        }
        was_woken
    }

    /// Calls `f` with the current thread, whose entries these are, on `queue`.
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

        // INVARIANT: The entry is there until it is taken out below.
        self.0.set(waiter);
        // SAFETY: Both are initialised, and the entry is in no queue. It leaves this one before
        // `queue` ends, unless the thread dies: then neither is freed.
        unsafe { bindings::add_wait_queue(queue.as_raw(), (*waiter).entry.get()) };
        // Whoever finds the queue empty does not lock it. Pairs with the barrier before that: the
        // entry is found, or what was done before is seen by `f`.
        smp_mb(Full);
        let result = f();

        // SAFETY: It was put in above, and only the waker's flag has changed.
        unsafe { bindings::remove_wait_queue(queue.as_raw(), (*waiter).entry.get()) };
        // SAFETY: It came from a `KBox`. No queue has it any more.
        let waiter = unsafe { KBox::from_raw(waiter) };
        // INVARIANT: What was put in after this one has been taken out by `f`.
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
    /// Each takes a wake-up of a thread and back.
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
                // On both, so that each is looked at.
                ctx.with_wait_queue(&waits, || ctx.with_wait_queue(&never, || wait(ctx)))
            })?;

            assert!(eventually(|| {
                // As C does who knows that nobody waits uninterruptibly.
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
            // On the queue for the first half, and in each wait for the other.
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
