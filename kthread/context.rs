// SPDX-License-Identifier: GPL-2.0

//! What only the running thread itself can do.

use super::{
    core::{
        Asked,
        Core, //
    },
    ffi::{
        __set_current_state,
        read_once,
        set_current_state,
        write_once, //
    },
    freezer::{
        set_freezable,
        set_nofreeze, //
    },
    signal::{
        self,
        Signal, //
    },
    wait_queue::WaitQueue, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::Result,
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
#[must_use = "a body that ignores `Wake::Stop` blocks the caller of `stop()`"]
pub enum Wake {
    /// The awaited event has happened.
    Ready,
    /// The thread has been asked to stop, so the closure should return.
    Stop,
    /// The time ran out.
    Timeout,
    /// Someone has called [`Thread::interrupt`](super::Thread::interrupt), which this wait has
    /// taken.
    Interrupt,
    /// A signal has come that the thread [allows](super::Builder::allow), and that this wait has
    /// taken.
    Signal(Signal),
    /// Someone waits for the thread to park, which [parks itself](super::Builder::parks_itself).
    ///
    /// The closure should call [`Context::park_point`] as soon as it can.
    Park,
}

/// The capabilities of a running kernel thread.
///
/// C offers `kthread_should_stop()` and its kin to every caller, and dereferences a null pointer if
/// the caller is not a kernel thread. Here they need a `Context`, which only the function that runs
/// the closure of a thread creates. It can neither be sent to another thread nor outlive the
/// closure.
///
/// Every wait returns at once when the thread is asked to stop or is interrupted, parks when it is
/// asked to park and goes on waiting once it is unparked, and enters the refrigerator if the thread
/// is freezable and tasks are being frozen. No wait loses a wake-up, and no code of the caller runs
/// while the task is in any state but `TASK_RUNNING`.
///
/// # Examples
///
/// A closure that computes for long, and one that waits for something to do:
///
/// ```
/// # fn f(group: &ThreadGroup, queue: Arc<Atomic<usize>>) -> Result {
/// let busy = Builder::new(fmt!("busy")).freezable(true).spawn(group, |ctx| {
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
/// `M` says whether the thread uses the address space of a process: with [`UsesMm`] it does, and
/// the context has no [`use_mm`](Context::use_mm).
///
/// # Invariants
///
/// The current task is that of `core`. It uses an address space if and only if it has a context
/// whose `M` is [`UsesMm`].
pub struct Context<'a, M = ()> {
    core: &'a Core,
    _mm: PhantomData<M>,
    _not_thread_safe: NotThreadSafe,
}

/// Marks a [`Context`] whose thread uses an address space.
pub struct UsesMm(());

impl<'a> Context<'a> {
    /// Creates the context of the current task.
    ///
    /// # Safety
    ///
    /// The current task must be that of `core`, and use no address space.
    pub(super) unsafe fn new(core: &'a Core) -> Self {
        // INVARIANT: The caller guarantees that this is the task of `core`, and uses no address
        // space.
        Self {
            core,
            _mm: PhantomData,
            _not_thread_safe: NotThreadSafe,
        }
    }

    /// Returns a context for as long as the current task uses an address space.
    ///
    /// # Safety
    ///
    /// It must do so for as long as the result is used, and no other context may be used during
    /// that time.
    pub(super) unsafe fn using_mm(&self) -> Context<'a, UsesMm> {
        // INVARIANT: The caller guarantees that the task uses an address space while this is used.
        Context {
            core: self.core,
            _mm: PhantomData,
            _not_thread_safe: NotThreadSafe,
        }
    }
}

impl<M> Context<'_, M> {
    pub(super) fn core(&self) -> &Core {
        self.core
    }

    pub(super) fn task(&self) -> &Task {
        self.core.task()
    }

    /// Returns whether the closure should return.
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

    /// Returns whether someone waits for the thread to park.
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
    /// A closure that computes for long without waiting should call this now and then, because the
    /// caller of [`Thread::park`](super::Thread::park) sleeps until it does.
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

    /// Parks, unless the request to park has been withdrawn.
    fn park(&self) {
        // A parked thread cannot enter the refrigerator, and would keep the system from suspending.
        // It does not need to: it does not run.
        if self.core.options.freezable {
            set_nofreeze();
        }
        // SAFETY: By the type invariants the current task is a kernel thread.
        unsafe { bindings::kthread_parkme() };
        if self.core.options.freezable {
            // The refrigerator must not be entered with locks held, and lockdep treats the running
            // closure as one.
            self.core.map.without(|| self.note_frozen(set_freezable()));
        }
    }

    /// Enters the refrigerator if the thread is [freezable] and tasks are being frozen, and returns
    /// whether the closure should return.
    ///
    /// Sleeps.
    ///
    /// [freezable]: super::Builder::freezable
    #[doc(alias = "kthread_freezable_should_stop")]
    #[inline]
    pub fn freeze_point(&self) -> bool {
        if self.core.options.freezable {
            let mut was_frozen = false;

            // SAFETY: By the type invariants the current task is a kernel thread. The pointer to
            // the result is valid during the call.
            unsafe { bindings::kthread_freezable_should_stop(&raw mut was_frozen) };
            self.note_frozen(was_frozen);
        }
        self.should_stop()
    }

    #[inline]
    fn note_frozen(&self, was_frozen: bool) {
        if was_frozen {
            write_once(&self.core.thawed, true);
        }
    }

    /// Returns whether the thread has been frozen since this was last called.
    ///
    /// It has if it was in the refrigerator, in any wait or [`Context::freeze_point`]: time has
    /// passed, and what it knows about a device may be stale. Thawing ends no wait. A thread that
    /// is not [freezable] is never frozen, nor is one that is parked while tasks are frozen.
    /// Freezing between two work items of a worker is not reported.
    ///
    /// Does not sleep.
    ///
    /// Returns the `was_frozen` of `kthread_freezable_should_stop()` in
    /// [`kernel/kthread.c`](srctree/kernel/kthread.c).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let keys = Builder::new(fmt!("keys")).freezable(true).spawn(group, |ctx| {
    ///     while ctx.wait_timeout(Delta::from_millis(100)) != Wake::Stop {
    ///         if ctx.take_thawed() {
    ///             pr_info!("what was pressed before the system slept does not count\n");
    ///         }
    ///         pr_info!("polling\n");
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [freezable]: super::Builder::freezable
    #[doc(alias = "was_frozen")]
    #[inline]
    pub fn take_thawed(&self) -> bool {
        let thawed = read_once(&self.core.thawed);

        if thawed {
            write_once(&self.core.thawed, false);
        }
        thawed
    }

    /// Freezes and parks if asked to, and returns the reason to end any wait, if there is one.
    fn answer(&self) -> Option<Wake> {
        self.freeze_point();
        if !self.core.options.parks_itself {
            self.park_point();
        }
        // Someone may have stopped the thread while it was parked.
        if self.is_urgent() {
            if let Some(wake) = self.take_urgent() {
                return Some(wake);
            }
        }
        (self.core.options.parks_itself && self.should_park()).then_some(Wake::Park)
    }

    /// Returns whether there may be a reason to end any wait.
    ///
    /// Works in every task state.
    #[inline]
    fn is_urgent(&self) -> bool {
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/signal-wait.litmus
        let asked = self.core.asked();

        asked != 0 && (asked != Asked::SIGNALS || signal::is_pending())
    }

    /// Takes the reason to end any wait, if there is one.
    #[cold]
    fn take_urgent(&self) -> Option<Wake> {
        if self.should_stop() {
            Some(Wake::Stop)
        } else if self.take_interrupt() {
            Some(Wake::Interrupt)
        } else {
            self.take_signal().map(Wake::Signal)
        }
    }

    /// Returns whether to call [`Context::park_point`] instead of sleeping.
    ///
    /// A request that cannot be seen yet wakes the thread later.
    #[inline]
    fn is_to_park(&self) -> bool {
        // ORDERING: proofs/litmus/park-wait.litmus
        self.core.is_being_parked() && self.should_park()
    }

    /// Waits to be woken by [`Thread::wake`] or a [`Waker`].
    ///
    /// A wake-up since the last wait ends this one at once; several count as one.
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
        self.wait_deadline(Some(after(timeout)))
    }

    /// Like [`Context::wait`], until `deadline` at the latest if there is one.
    ///
    /// Sleeps.
    pub fn wait_deadline(&self, deadline: Option<Instant<Monotonic>>) -> Wake {
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/park-wait.litmus
        // ORDERING: proofs/litmus/queue-sleep.litmus
        // ORDERING: proofs/litmus/signal-wait.litmus
        // ORDERING: proofs/litmus/wake-wait.litmus
        might_sleep();
        loop {
            if self.core.options.freezable {
                self.freeze_point();
            }
            set_current_state(bindings::TASK_INTERRUPTIBLE);
            let wake = if self.is_urgent() {
                __set_current_state(bindings::TASK_RUNNING);
                match self.take_urgent() {
                    Some(wake) => return wake,
                    None => continue,
                }
            } else if self.is_to_park() {
                __set_current_state(bindings::TASK_RUNNING);
                if self.core.options.parks_itself {
                    return Wake::Park;
                }
                self.park();
                continue;
            } else if self.core.take_token() || self.core.waiters.take_woken() {
                Wake::Ready
            } else if deadline.is_some_and(has_passed) {
                Wake::Timeout
            } else {
                self.sleep(deadline);
                continue;
            };
            __set_current_state(bindings::TASK_RUNNING);
            return wake;
        }
    }

    /// Waits until `ready` returns true.
    ///
    /// `ready` is called once at first, and again after each wake-up, always in `TASK_RUNNING`, so
    /// that it may lock and sleep. Code that makes it true has to wake the thread afterwards.
    ///
    /// Sleeps.
    #[doc(alias = "wait_event_interruptible")]
    pub fn wait_until(&self, ready: impl FnMut() -> bool) -> Wake {
        self.wait_until_deadline(None, ready)
    }

    /// Like [`Context::wait_until`], for at most `timeout`.
    ///
    /// If `ready` returns true when the time has run out, this is [`Wake::Ready`].
    ///
    /// Sleeps.
    ///
    /// In C this is `wait_event_interruptible_timeout()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, queued: Arc<Atomic<usize>>) -> Result {
    /// let flusher = group.spawn(fmt!("flusher"), move |ctx| loop {
    ///     let is_full = || queued.load(Relaxed) >= 64;
    ///
    ///     match ctx.wait_until_timeout(Delta::from_secs(1), is_full) {
    ///         Wake::Ready | Wake::Timeout => pr_info!("{} flushed\n", queued.xchg(0, Relaxed)),
    ///         _ => return,
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait_event_interruptible_timeout")]
    #[doc(alias = "wait_event_timeout")]
    pub fn wait_until_timeout(&self, timeout: Delta, ready: impl FnMut() -> bool) -> Wake {
        self.wait_until_deadline(Some(after(timeout)), ready)
    }

    /// Like [`Context::wait_until`], until `deadline` at the latest if there is one.
    ///
    /// If `ready` returns true when the time has run out, this is [`Wake::Ready`].
    ///
    /// Sleeps.
    #[doc(alias = "wait_event_interruptible_hrtimeout")]
    pub fn wait_until_deadline(
        &self,
        deadline: Option<Instant<Monotonic>>,
        mut ready: impl FnMut() -> bool,
    ) -> Wake {
        match self.wait_for_deadline(deadline, || ready().then_some(())) {
            Ok(()) => Wake::Ready,
            Err(wake) => wake,
        }
    }

    /// Waits until `take` returns something, and returns that.
    ///
    /// This is [`Context::wait_until`] with a result: `take` is called when `ready` would be. If
    /// something else ends the wait, that is the error, which is never [`Wake::Ready`].
    ///
    /// Sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, queue: Arc<Mutex<KVec<u32>>>) -> Result {
    /// let server = group.spawn(fmt!("server"), move |ctx| {
    ///     while let Ok(request) = ctx.wait_for(|| queue.lock().pop()) {
    ///         pr_info!("request {request}\n");
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for<T>(&self, take: impl FnMut() -> Option<T>) -> Result<T, Wake> {
        self.wait_for_deadline(None, take)
    }

    /// Like [`Context::wait_for`], for at most `timeout`.
    ///
    /// Sleeps.
    pub fn wait_for_timeout<T>(
        &self,
        timeout: Delta,
        take: impl FnMut() -> Option<T>,
    ) -> Result<T, Wake> {
        self.wait_for_deadline(Some(after(timeout)), take)
    }

    /// Like [`Context::wait_for`], until `deadline` at the latest if there is one.
    ///
    /// Sleeps.
    pub fn wait_for_deadline<T>(
        &self,
        deadline: Option<Instant<Monotonic>>,
        mut take: impl FnMut() -> Option<T>,
    ) -> Result<T, Wake> {
        loop {
            if let Some(wake) = self.answer() {
                return Err(wake);
            }
            if let Some(found) = take() {
                return Ok(found);
            }
            match self.wait_deadline(deadline) {
                Wake::Ready => {}
                // It may have arrived at the last moment.
                Wake::Timeout => return take().ok_or(Wake::Timeout),
                other => return Err(other),
            }
        }
    }

    /// Waits until the thread is asked to stop, and discards all other reasons to wake up.
    ///
    /// Use this in a closure that has nothing left to do. The thread parks and freezes as in other
    /// waits, even if it otherwise [parks itself](super::Builder::parks_itself).
    ///
    /// Sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let owner = group.spawn(fmt!("owner"), |ctx| {
    ///     let buffer = KVec::<u8>::with_capacity(4096, GFP_KERNEL);
    ///
    ///     ctx.wait_for_stop();
    ///     drop(buffer);
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_stop(&self) {
        loop {
            match self.wait() {
                Wake::Stop => return,
                Wake::Park => self.park_point(),
                _ => {}
            }
        }
    }

    /// Lets other tasks run if they are due.
    ///
    /// A closure that computes for long should call this now and then. On a kernel that preempts
    /// its own threads this does nothing.
    ///
    /// Sleeps.
    ///
    /// Wraps `cond_resched()` of [`include/linux/sched.h`](srctree/include/linux/sched.h).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let scrubber = group.spawn(fmt!("scrubber"), |ctx| {
    ///     while !ctx.should_stop() {
    ///         ctx.park_point();
    ///         ctx.yield_point();
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cond_resched")]
    #[inline]
    pub fn yield_point(&self) {
        might_sleep();
        #[cfg(any(not(CONFIG_PREEMPTION), CONFIG_PREEMPT_DYNAMIC))]
        // SAFETY: This is process context.
        unsafe {
            bindings::__cond_resched()
        };
    }

    /// Calls `f`, during which a wake-up of `queue` also wakes the thread.
    ///
    /// Such a wake-up counts as [`Thread::wake`](super::Thread::wake): it ends the current or next
    /// wait of the context. So a condition that C code announces on a queue is waited for like any
    /// other, with stop, park and freezer, with or without a deadline. Nest calls to wait on
    /// several queues.
    ///
    /// `f` runs in `TASK_RUNNING`, and may lock and sleep. A thread that dies in it leaks what it
    /// owned, and stays on the queue, which is harmless.
    ///
    /// Sleeps. Fails with [`ENOMEM`] without calling `f`.
    ///
    /// Wraps `add_wait_queue()` and `remove_wait_queue()` of
    /// [`kernel/sched/wait.c`](srctree/kernel/sched/wait.c). The waits do what `wait_woken()` and
    /// `wait_event_interruptible()` do.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, socket: Arc<WaitQueue>, bytes: Arc<Atomic<usize>>) -> Result {
    /// let session = group.spawn(fmt!("session"), move |ctx| {
    ///     ctx.with_wait_queue(&socket, || {
    ///         while ctx.wait_until(|| bytes.load(Relaxed) > 0) == Wake::Ready {
    ///             pr_info!("{} bytes\n", bytes.xchg(0, Relaxed));
    ///         }
    ///     })
    /// })?;
    ///
    /// session.stop()??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Thread::wake`]: super::Thread::wake
    /// [`ENOMEM`]: kernel::error::code::ENOMEM
    #[doc(alias = "add_wait_queue")]
    #[doc(alias = "wait_woken")]
    #[doc(alias = "wait_event_interruptible")]
    pub fn with_wait_queue<R>(&self, queue: &WaitQueue, f: impl FnOnce() -> R) -> Result<R> {
        might_sleep();
        self.core.waiters.with(self.task(), queue, f)
    }

    /// Sleeps until woken or until `deadline`, in the current task state.
    ///
    /// May return early.
    #[inline]
    fn sleep(&self, deadline: Option<Instant<Monotonic>>) {
        match deadline {
            // SAFETY: The task state has been set, and this is process context.
            None => unsafe { bindings::schedule() },
            Some(deadline) => {
                // The shortest sleep: C takes zero for "do not sleep".
                let mut left = (deadline - Instant::now()).as_nanos().max(1);
                // SAFETY: The task state has been set, this is process context, and `left` outlives
                // the call.
                unsafe {
                    bindings::schedule_hrtimeout_range(
                        &raw mut left,
                        // CAST: It is not negative.
                        self.core.options.timer_slack.as_nanos() as u64,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    )
                };
            }
        }
    }

    /// Waits until the thread may exit after its closure has returned.
    ///
    /// It may not exit while someone parks it: `kthread_park()` of a thread that exits instead of
    /// parking never returns.
    #[inline(never)]
    pub(super) fn finish(&self) {
        // ORDERING: proofs/litmus/finish-park.litmus
        // ORDERING: proofs/litmus/finish-unasked.litmus
        // ORDERING: proofs/litmus/park-wait.litmus
        while !self.core.finish() {
            self.freeze_point();
            // An interruptible sleep would end at once if the thread has been asked to stop.
            set_current_state(bindings::TASK_IDLE);
            if self.should_park() {
                self.park();
            } else if self.core.is_being_parked() {
                self.sleep(None);
            }
            __set_current_state(bindings::TASK_RUNNING);
        }
    }
}

/// Returns when `timeout` has passed.
fn after(timeout: Delta) -> Instant<Monotonic> {
    // Half of the range is more than a century, and leaves room for the time since boot.
    let nanos = timeout.as_nanos().clamp(0, i64::MAX / 2);

    Instant::now() + Delta::from_nanos(nanos)
}

/// Returns whether `deadline` has come.
fn has_passed(deadline: Instant<Monotonic>) -> bool {
    deadline.elapsed() >= Delta::ZERO
}

#[cfg(kthread_kunit)]
#[kernel::prelude::kunit_tests(rust_kthread_context)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        },
        time::Delta, //
    };

    #[test]
    fn a_stop_ends_every_wait() -> Result {
        let group = group()?;
        let hour = Delta::from_secs(3600);
        let stop = |thread: Thread<Wake>| thread.stop();

        for _ in 0..ROUNDS / 10 {
            assert_eq!(
                stop(group.spawn(fmt!("w"), |ctx| ctx.wait())?),
                Ok(Wake::Stop)
            );
            assert_eq!(
                stop(group.spawn(fmt!("wt"), move |ctx| ctx.wait_timeout(hour))?),
                Ok(Wake::Stop)
            );
            assert_eq!(
                stop(group.spawn(fmt!("wu"), |ctx| ctx.wait_until(|| false))?),
                Ok(Wake::Stop)
            );
            let thread = group.spawn(fmt!("wut"), move |ctx| {
                ctx.wait_until_timeout(hour, || false)
            })?;
            assert_eq!(stop(thread), Ok(Wake::Stop));
            let thread = group.spawn(fmt!("wf"), |ctx| ctx.wait_for(|| None::<()>))?;
            assert_eq!(thread.stop(), Ok(Err(Wake::Stop)));
        }
        Ok(())
    }

    #[test]
    fn a_park_suspends_every_wait_and_the_wait_goes_on() -> Result {
        let group = group()?;
        let steps = count()?;
        let seen = steps.clone();
        let mut thread = group.spawn(fmt!("parkee"), move |ctx| {
            while ctx.wait() == Wake::Ready {
                seen.fetch_add(1, Relaxed);
            }
        })?;

        for round in 0..ROUNDS {
            thread.park()?;
            assert!(thread.is_parked());
            let before = steps.load(Relaxed);
            thread.wake();
            // It is parked: nothing moves.
            assert_eq!(steps.load(Relaxed), before);
            thread.unpark()?;
            // The wake-up of the parked thread was kept.
            while steps.load(Relaxed) <= round {
                pause();
            }
        }
        assert_eq!(steps.load(Relaxed), ROUNDS);
        Ok(())
    }

    #[test]
    fn a_stop_of_a_parked_thread_comes_before_what_it_waits_for() -> Result {
        let group = group()?;
        let takes = count()?;
        let counted = takes.clone();
        let mut thread = group.spawn(fmt!("busy"), move |ctx| loop {
            let taken = ctx.wait_for(|| {
                pause();
                Some(counted.fetch_add(1, Relaxed))
            });

            if let Err(wake) = taken {
                return wake;
            }
        })?;

        assert!(eventually(|| takes.load(Relaxed) > 0));
        thread.park()?;
        let before = takes.load(Relaxed);
        assert_eq!(thread.stop(), Ok(Wake::Stop));
        assert_eq!(takes.load(Relaxed), before);
        Ok(())
    }

    #[test]
    fn a_wait_for_a_condition_ends_in_time_or_when_that_is_so() -> Result {
        let group = group()?;
        let hour = Delta::from_secs(3600);
        let brief = Delta::from_millis(1);

        // It becomes true when the time runs out, is true from the start, and never becomes true.
        let thread = group.spawn(fmt!("late"), move |ctx| {
            let mut calls = 0;
            let late = ctx.wait_until_timeout(brief, || {
                calls += 1;
                calls == 2
            });
            let now = ctx.wait_until_timeout(Delta::from_nanos(-1), || true);
            let mut calls = 0;
            let late_value = ctx.wait_for_timeout(brief, || {
                calls += 1;
                (calls == 2).then_some(7)
            });
            (
                [late, now, ctx.wait_until_timeout(brief, || false)],
                [late_value, ctx.wait_for_timeout(brief, || None)],
            )
        })?;
        assert_eq!(
            thread.join(),
            Ok((
                [Wake::Ready, Wake::Ready, Wake::Timeout],
                [Ok(7), Err(Wake::Timeout)]
            ))
        );

        // An earlier wake-up makes the thread check again.
        let (looked, is_so) = (count()?, count()?);
        let (looks, seen) = (looked.clone(), is_so.clone());
        let thread = group.spawn(fmt!("woken"), move |ctx| {
            ctx.wait_until_timeout(hour, || {
                looks.fetch_add(1, Relaxed);
                seen.load(Relaxed) > 0
            })
        })?;
        assert!(eventually(|| {
            thread.wake();
            looked.load(Relaxed) > 2
        }));
        is_so.fetch_add(1, Relaxed);
        thread.wake();
        assert_eq!(thread.join(), Ok(Wake::Ready));
        Ok(())
    }

    #[test]
    fn what_is_waited_for_is_taken_once_and_in_order() -> Result {
        let group = group()?;
        let queue = Arc::pin_init(kernel::new_mutex!(KVec::new()), GFP_KERNEL)?;
        let left = queue.clone();
        let thread = group.spawn(fmt!("takes"), move |ctx| -> Result<_> {
            let mut taken = KVec::new();
            loop {
                let first = || {
                    let mut queue = left.lock();
                    (!queue.is_empty()).then(|| queue.remove(0))
                };
                match ctx.wait_for(first) {
                    Ok(item) => taken.push(item?, GFP_KERNEL)?,
                    Err(wake) => return Ok((taken, wake)),
                }
            }
        })?;

        for item in 0..ROUNDS / 10 {
            queue.lock().push(item, GFP_KERNEL)?;
            thread.wake();
        }
        assert!(eventually(|| queue.lock().is_empty()));
        let (taken, wake) = thread.stop()??;
        assert!(taken.iter().copied().eq(0..ROUNDS / 10));
        assert_eq!(wake, Wake::Stop);
        Ok(())
    }

    #[test]
    fn who_waits_for_a_stop_takes_all_else() -> Result {
        let group = group()?;

        for parks_itself in [false, true] {
            let builder = Builder::new(fmt!("idles")).allow(Signal::Hup);
            let builder = match parks_itself {
                true => builder.parks_itself(),
                false => builder,
            };
            let mut thread = builder.spawn(&group, |ctx| {
                ctx.wait_for_stop();
                ctx.should_stop()
            })?;

            for _ in 0..ROUNDS / 20 {
                thread.wake();
                thread.interrupt();
                // SAFETY: The handle keeps the task.
                unsafe {
                    kernel::bindings::send_sig(
                        Signal::Hup.number() as c_int,
                        thread.task().as_ptr(),
                        0,
                    )
                };
                thread.park()?;
                assert!(thread.is_parked());
                thread.unpark()?;
            }
            assert!(sleeps(thread.task()));
            assert!(!thread.is_finished());
            assert_eq!(thread.stop(), Ok(true));
        }
        Ok(())
    }

    #[test]
    fn a_thread_that_yields_lets_others_run() -> Result {
        // On a kernel that preempts its threads the other one would run anyway.
        let group = group()?;
        let cpu = kernel::cpu::CpuId::from_u32(0).ok_or(EINVAL)?;
        let (begun, done) = (count()?, count()?);
        let (told, seen) = (begun.clone(), done.clone());
        let here = Builder::new(fmt!("same-cpu")).placement(Placement::Cpu(cpu));
        let yields = here.spawn(&group, move |ctx| {
            told.fetch_add(1, Relaxed);
            while seen.load(Relaxed) == 0 {
                ctx.yield_point();
            }
        })?;

        assert!(eventually(|| begun.load(Relaxed) == 1));
        here.spawn(&group, move |_| _ = done.fetch_add(1, Relaxed))?
            .detach();
        assert_eq!(yields.join(), Ok(()));
        Ok(())
    }

    #[test]
    fn no_wake_up_is_lost() -> Result {
        let group = group()?;
        let (ping, pong) = (count()?, Arc::pin_init(Completion::new(), GFP_KERNEL)?);
        let (seen, echo) = (ping.clone(), pong.clone());
        let thread = group.spawn(fmt!("ping"), move |ctx| {
            let mut done = 0;
            while ctx.wait_until(|| seen.load(Relaxed) > done) == Wake::Ready {
                done += 1;
                echo.complete();
            }
            done
        })?;

        for _ in 0..ROUNDS {
            ping.fetch_add(1, Relaxed);
            thread.wake();
            pong.wait_for_completion();
        }
        assert_eq!(thread.stop(), Ok(ROUNDS));
        Ok(())
    }

    #[test]
    fn a_wake_up_before_the_wait_is_kept_and_many_count_as_one() -> Result {
        let group = group()?;
        let thread = Builder::new(fmt!("early")).create(&group, |ctx| {
            let first = ctx.wait();
            (first, ctx.wait_timeout(Delta::from_millis(1)))
        })?;

        let waker = thread.waker();
        waker.wake();
        waker.wake();
        assert_eq!(thread.start().join(), Ok((Wake::Ready, Wake::Timeout)));
        // Waking a thread that is gone does nothing.
        waker.wake();
        Ok(())
    }

    #[test]
    fn timeouts_of_any_size_are_taken() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("times"), |ctx| {
            for nanos in [i64::MIN, -1, 0, 1] {
                if ctx.wait_timeout(Delta::from_nanos(nanos)) != Wake::Timeout {
                    return Wake::Ready;
                }
            }
            ctx.wait_timeout(Delta::from_nanos(i64::MAX))
        })?;

        thread.request_stop();
        let woken = thread.join();
        assert!(woken == Ok(Wake::Stop) || woken == Ok(Wake::Ready));
        Ok(())
    }

    #[test]
    fn a_freezable_thread_waits_parks_and_stops_like_any_other() -> Result {
        let group = group()?;
        let mut thread = Builder::new(fmt!("freezable"))
            .freezable(true)
            .spawn(&group, |ctx| {
                until_stopped(ctx);
                seen(ctx.core()).nofreeze
            })?;

        thread.park()?;
        thread.unpark()?;
        assert_eq!(thread.stop(), Ok(!cfg!(CONFIG_FREEZER)));
        Ok(())
    }

    #[test]
    fn what_has_not_been_frozen_is_not_thawed() -> Result {
        // Freezing needs a suspended system, which KUnit does not have.
        let group = group()?;

        for freezable in [false, true] {
            let builder = Builder::new(fmt!("warm"));
            let builder = match freezable {
                true => builder.freezable(true),
                false => builder,
            };
            let mut thread = builder.spawn(&group, |ctx| {
                until_stopped(ctx);
                ctx.freeze_point();
                ctx.take_thawed()
            })?;

            thread.park()?;
            thread.unpark()?;
            assert_eq!(thread.stop(), Ok(false));
        }
        Ok(())
    }

    #[test]
    fn a_thread_that_parks_itself_is_told_by_every_wait() -> Result {
        let group = group()?;
        let (parked, unparked) = (count()?, count()?);
        let (counted, goes_on) = (parked.clone(), unparked.clone());
        let hour = Delta::from_secs(3600);
        let waits: [fn(&Context<'_>, Delta) -> Wake; 3] = [
            |ctx, _| ctx.wait(),
            |ctx, hour| ctx.wait_timeout(hour),
            |ctx, _| ctx.wait_until(|| false),
        ];
        let mut thread = Builder::new(fmt!("parks"))
            .parks_itself()
            .spawn(&group, move |ctx| {
                for round in 0.. {
                    for wait in waits {
                        match wait(ctx, hour) {
                            // Until it parks, every wait reports the request.
                            Wake::Park if wait(ctx, hour) == Wake::Park => {
                                counted.fetch_add(1, Relaxed);
                                ctx.park_point();
                                goes_on.fetch_add(1, Relaxed);
                            }
                            wake => return (round, wake),
                        }
                    }
                }
                (0, Wake::Park)
            })?;

        for round in 0..ROUNDS / 10 {
            // The closure has done what it does before it parks.
            thread.park()?;
            assert_eq!(parked.load(Relaxed), round + 1);
            thread.unpark()?;
            // A thread that is parked again before it runs stays parked.
            assert!(eventually(|| unparked.load(Relaxed) > round));
        }
        // A stop comes first.
        assert_eq!(thread.stop(), Ok((ROUNDS / 10 / 3, Wake::Stop)));
        Ok(())
    }

    #[test]
    fn what_nobody_can_park_does_not_park_itself() -> Result {
        let group = group()?;
        let parks = || Builder::new(fmt!("parks")).parks_itself();

        assert_eq!(parks().spawn_worker(&group).err(), Some(EINVAL));
        assert_eq!(parks().spawn_member(&group, |_| ()).err(), Some(EINVAL));
        assert!(group.is_empty());
        // A finished thread counts as parked.
        let mut thread = parks().spawn(&group, |_| ())?;
        thread.park()?;
        assert_eq!(thread.join(), Ok(()));
        // So does one that returns while it is being parked.
        let mut thread = parks().spawn(&group, |ctx| ctx.wait())?;
        thread.park()?;
        assert_eq!(thread.join(), Ok(Wake::Park));
        Ok(())
    }

    #[test]
    fn threads_park_while_others_wake_them() -> Result {
        let group = group()?;
        let mut parkee = group.spawn(fmt!("parkee"), until_stopped)?;
        let waker = parkee.waker();
        let pest = group.spawn(fmt!("pest"), move |ctx| {
            while !ctx.should_stop() {
                waker.wake();
                pause();
            }
        })?;

        for _ in 0..ROUNDS {
            parkee.park()?;
            parkee.unpark()?;
        }
        assert_eq!(pest.stop(), Ok(()));
        assert_eq!(parkee.stop(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_freezable_thread_may_park_with_a_lock_held() -> Result {
        let group = group()?;
        let lock = Arc::pin_init(kernel::new_mutex!(()), GFP_KERNEL)?;
        let mut thread = Builder::new(fmt!("locks"))
            .freezable(true)
            .spawn(&group, move |ctx| {
                let _guard = lock.lock();

                until_stopped(ctx);
            })?;

        // Lockdep must have nothing to say about it.
        for _ in 0..3 {
            thread.park()?;
            thread.unpark()?;
        }
        assert_eq!(thread.stop(), Ok(()));
        Ok(())
    }
}
