// SPDX-License-Identifier: GPL-2.0

//! What only the running thread itself can do.

use super::packet::{
    set_freezable,
    set_nofreeze,
    Core, //
};
use kernel::{
    bindings,
    task::{
        might_sleep,
        Task, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
    types::NotThreadSafe, //
};

/// Why a wait of [`Context`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a body that ignores `Wake::Stop` keeps whoever stops it waiting"]
pub enum Wake {
    /// What was waited for has happened.
    Ready,
    /// The thread has been asked to stop, so the closure should return.
    Stop,
    /// The time ran out.
    Timeout,
}

/// The capabilities of a running kernel thread.
///
/// C offers `kthread_should_stop()` and its kin to every caller, and dereferences a null pointer if
/// that is not a kernel thread. Here they need a `Context`, which only the function that runs the
/// closure of a thread makes. It can neither be sent to another thread nor outlive the closure.
///
/// Every wait returns at once when the thread is asked to stop, parks when it is asked to park and
/// goes on waiting once it is unparked, and enters the refrigerator if the thread is freezable and
/// tasks are being frozen. No wait loses a wake-up, and no code of the caller runs while the task
/// is in any state but `TASK_RUNNING`.
///
/// # Examples
///
/// A body that works for long, and one that waits until there is something to do:
///
/// ```
/// # fn f(group: &ThreadGroup, queue: Arc<Atomic<usize>>) -> Result {
/// let busy = Builder::new(fmt!("busy")).freezable().spawn(group, |ctx| {
///     let mut rounds = 0usize;
///     while !ctx.freeze_point() {
///         ctx.park_point();
///         rounds += 1;
///     }
///     rounds
/// })?;
/// let idle = group.spawn(fmt!("idle"), move |ctx| {
///     while ctx.wait_until(|| queue.load(Relaxed) > 0) == Wake::Ready {
///         queue.fetch_sub(1, Relaxed);
///     }
/// })?;
///
/// pr_info!("{} rounds\n", busy.stop()?);
/// idle.stop()?;
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// The current task is that of `core`.
pub struct Context<'a> {
    core: &'a Core,
    _not_thread_safe: NotThreadSafe,
}

impl<'a> Context<'a> {
    /// Creates the context of the current task.
    ///
    /// # Safety
    ///
    /// The current task must be that of `core`.
    pub(super) unsafe fn new(core: &'a Core) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            core,
            _not_thread_safe: NotThreadSafe,
        }
    }

    pub(super) fn task(&self) -> &Task {
        self.core.task()
    }

    /// Tells whether the closure should return.
    ///
    /// True from the moment that someone stops the thread, drops its handle or group, or calls
    /// [`Thread::request_stop`].
    ///
    /// Does not sleep.
    ///
    /// [`Thread::request_stop`]: super::Thread::request_stop
    #[doc(alias = "kthread_should_stop")]
    #[inline]
    pub fn should_stop(&self) -> bool {
        self.core.stop_requested()
    }

    /// Tells whether someone waits for the thread to park.
    ///
    /// Does not sleep.
    #[doc(alias = "kthread_should_park")]
    #[inline]
    pub fn should_park(&self) -> bool {
        // SAFETY: By the type invariants the current task is a kernel thread.
        unsafe { bindings::kthread_should_park() }
    }

    /// Parks if asked to, and returns once unparked or stopped.
    ///
    /// A body that computes for long without waiting should call this now and then, as whoever
    /// parks the thread sleeps until it does.
    ///
    /// Sleeps.
    #[doc(alias = "kthread_parkme")]
    #[inline]
    pub fn park_point(&self) {
        might_sleep();
        if self.should_park() {
            self.park();
        }
    }

    /// Parks, unless the thread has been unparked since it was asked to.
    fn park(&self) {
        // What is parked can not be frozen, and would keep the system from suspending. It does not
        // have to be frozen: it does not run.
        if self.core.freezable {
            set_nofreeze();
        }
        // SAFETY: By the type invariants the current task is a kernel thread.
        unsafe { bindings::kthread_parkme() };
        if self.core.freezable {
            set_freezable();
        }
    }

    /// Enters the refrigerator if the thread is [freezable] and tasks are being frozen, and tells
    /// whether the closure should return.
    ///
    /// Sleeps.
    ///
    /// [freezable]: super::Builder::freezable
    #[doc(alias = "kthread_freezable_should_stop")]
    #[inline]
    pub fn freeze_point(&self) -> bool {
        if self.core.freezable {
            // SAFETY: By the type invariants the current task is a kernel thread. The out parameter
            // is optional.
            unsafe { bindings::kthread_freezable_should_stop(core::ptr::null_mut()) };
        }
        self.should_stop()
    }

    /// Freezes and parks if asked to, and tells whether the closure should return.
    fn answer(&self) -> bool {
        if self.freeze_point() {
            return true;
        }
        self.park_point();
        // Someone may have stopped the thread while it was parked.
        self.should_stop()
    }

    /// Tells whether to call [`Context::park_point`] instead of sleeping.
    ///
    /// A request that is not seen yet wakes the thread once it can be.
    #[inline]
    fn is_to_park(&self) -> bool {
        self.core.parked.is_set() && self.should_park()
    }

    /// Waits to be woken by [`Thread::wake`] or a [`Waker`].
    ///
    /// A wake-up that came since the last wait ends this one at once, and any number of them count
    /// as one.
    ///
    /// Sleeps.
    ///
    /// [`Thread::wake`]: super::Thread::wake
    /// [`Waker`]: super::Waker
    pub fn wait(&self) -> Wake {
        self.wait_deadline(None)
    }

    /// Like [`Context::wait`], for at most `timeout`.
    ///
    /// Sleeps.
    pub fn wait_timeout(&self, timeout: Delta) -> Wake {
        // Half of what fits is more than a century, and leaves room for the time since boot.
        let nanos = timeout.as_nanos().clamp(0, i64::MAX / 2);

        self.wait_deadline(Some(Instant::now() + Delta::from_nanos(nanos)))
    }

    /// Like [`Context::wait`], until `deadline` at the latest if there is one.
    ///
    /// Sleeps.
    pub fn wait_deadline(&self, deadline: Option<Instant<Monotonic>>) -> Wake {
        might_sleep();
        loop {
            if self.core.freezable {
                self.freeze_point();
            }
            self.set_state(bindings::TASK_INTERRUPTIBLE);
            let wake = if self.should_stop() {
                Wake::Stop
            } else if self.is_to_park() {
                self.set_running();
                self.park();
                continue;
            } else if self.core.take_token() {
                Wake::Ready
            } else if deadline.is_some_and(has_passed) {
                Wake::Timeout
            } else {
                sleep(deadline);
                continue;
            };
            self.set_running();
            return wake;
        }
    }

    /// Waits until `ready` returns true.
    ///
    /// `ready` is called once at first, and again after each wake-up, always in `TASK_RUNNING`, so
    /// that it may lock and sleep. Whoever makes it true has to wake the thread after that.
    ///
    /// Sleeps.
    pub fn wait_until(&self, mut ready: impl FnMut() -> bool) -> Wake {
        loop {
            if self.answer() {
                return Wake::Stop;
            }
            if ready() {
                return Wake::Ready;
            }
            if self.wait() == Wake::Stop {
                return Wake::Stop;
            }
        }
    }

    /// Sleeps and parks until `kthread_stop()` is called, or is about to be.
    ///
    /// A thread whose closure has returned must not exit by itself while someone may park it:
    /// `kthread_park()` of a thread that exits instead of parking never returns.
    pub(super) fn linger(&self) {
        loop {
            if self.core.freezable {
                self.freeze_point();
            }
            self.set_state(bindings::TASK_INTERRUPTIBLE);
            if self.core.dismissed.is_set() {
                break;
            }
            if self.is_to_park() {
                self.set_running();
                self.park();
                continue;
            }
            sleep(None);
        }
        self.set_running();
    }

    /// Sets the state of the task, with a full barrier after it.
    ///
    /// In C this is the macro `set_current_state()` of
    /// [`include/linux/sched.h`](srctree/include/linux/sched.h).
    #[inline]
    fn set_state(&self, state: u32) {
        self.write_state(state);
        // SAFETY: A memory barrier has no requirements.
        unsafe { bindings::smp_mb() };
    }

    /// Sets the state of the task to `TASK_RUNNING`, which needs no barrier.
    #[inline]
    fn set_running(&self) {
        self.write_state(bindings::TASK_RUNNING);
    }

    #[inline]
    fn write_state(&self, state: u32) {
        // SAFETY: By the type invariants this is the current task, so that it is alive, and only it
        // itself and those who wake it write its state, as the scheduler expects.
        unsafe { (&raw mut (*self.task().as_ptr()).__state).write_volatile(state) };
    }
}

/// Sleeps until woken or `deadline`, in the state that has been set.
///
/// May return early.
#[inline]
fn sleep(deadline: Option<Instant<Monotonic>>) {
    match deadline {
        // SAFETY: The task state has been set, and this is process context.
        None => unsafe { bindings::schedule() },
        Some(deadline) => {
            // The least that is not "do not sleep at all" to the C side.
            let mut left = (deadline - Instant::now()).as_nanos().max(1);
            // SAFETY: The task state has been set, this is process context, and `left` outlives the
            // call.
            unsafe {
                bindings::schedule_hrtimeout(&raw mut left, bindings::hrtimer_mode_HRTIMER_MODE_REL)
            };
        }
    }
}

/// Tells whether it is `deadline` or later.
fn has_passed(deadline: Instant<Monotonic>) -> bool {
    deadline.elapsed() >= Delta::ZERO
}
