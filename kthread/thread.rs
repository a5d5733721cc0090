// SPDX-License-Identifier: GPL-2.0

//! Handles to threads.

use super::{
    context::Context,
    core::{
        Core,
        HasCore,
        Member,
        State, //
    },
    errno::{
        ecanceled,
        edeadlk, //
    },
    identity::Observer,
    packet::{
        self,
        Returns, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::Arc,
    task::{
        might_sleep,
        Task, //
    }, //
};

/// Why there is no value of a thread.
///
/// # Examples
///
/// ```
/// # fn f(thread: Thread<u32>) -> Result {
/// match thread.join() {
///     Ok(value) => pr_info!("it returned {value}\n"),
///     Err(JoinError::Died) => pr_err!("it died\n"),
///     Err(other) => return Err(other.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The thread died of an oops or a Rust panic.
    ///
    /// What it owned is leaked.
    Died,
    /// The group stopped the thread before it was started.
    NeverRan,
    /// The caller is the thread itself, which continues, and is left to its group.
    WouldDeadlock,
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Error {
        match error {
            JoinError::Died => EFAULT,
            JoinError::NeverRan => ecanceled(),
            JoinError::WouldDeadlock => edeadlk(),
        }
    }
}

/// A kernel thread that has been created, but not started.
///
/// Its task exists, sleeps, and would start to run on any wake-up, so this type gives no access to
/// it. The task is in an uninterruptible sleep: it counts for the load average, and the hung task
/// detector reports it if it stays so for long.
///
/// Dropping this ends the task and drops the closure without running it. That sleeps.
///
/// # Examples
///
/// ```
/// # fn f(group: &ThreadGroup) -> Result {
/// let thread = Builder::new(fmt!("adder")).create(group, |_ctx| 1 + 1)?;
///
/// assert_eq!(thread.start().join(), Ok(2));
/// # Ok(())
/// # }
/// ```
#[must_use = "a thread that is not started is dropped, and never runs"]
pub struct NewThread<T: Send, S = ()> {
    // Dropping it stops a task that has never been woken.
    thread: Thread<T, S>,
}

impl<T: Send, S> NewThread<T, S> {
    /// Takes control of a thread.
    ///
    /// `S` names what the thread must not outlive.
    pub(super) fn new(packet: Arc<dyn Returns<T>>) -> Self {
        Self {
            thread: Thread {
                packet,
                _scope: PhantomData,
            },
        }
    }

    /// Returns the task, which must not be woken.
    pub(super) fn task_ptr(&self) -> *mut bindings::task_struct {
        self.thread.packet.core().task().as_ptr()
    }

    /// Wakes the thread for the first time.
    ///
    /// Sleeps, but not for long.
    ///
    /// # Guarantees
    ///
    /// The closure will run, even if the thread is stopped at once.
    #[doc(alias = "wake_up_process")]
    pub fn start(self) -> Thread<T, S> {
        self.thread.packet.core().start();
        self.thread
    }

    /// Returns a [`Waker`] to hand out before the thread runs.
    ///
    /// It does not start the thread. A wake-up that comes before the start is kept.
    pub fn waker(&self) -> Waker {
        self.thread.waker()
    }

    /// Returns an [`Observer`] of the thread.
    pub fn observer(&self) -> Observer {
        self.thread.observer()
    }
}

/// A kernel thread that has been started.
///
/// It ends when its closure returns. Dropping the handle stops it, and drops its value in the
/// calling task. Values that own handles of threads, whose values own handles, and so on, are
/// dropped recursively, like a list of boxes: take a long chain apart in a loop.
///
/// # Examples
///
/// A thread that counts how often it is woken:
///
/// ```
/// # fn f(group: &ThreadGroup) -> Result {
/// let thread = group.spawn(fmt!("counter"), |ctx| {
///     let mut count = 0;
///     while ctx.wait() == Wake::Ready {
///         count += 1;
///     }
///     count
/// })?;
///
/// thread.wake();
/// pr_info!("woken up to {} times\n", thread.stop()?);
/// # Ok(())
/// # }
/// ```
#[must_use = "a thread is stopped when its handle is dropped"]
pub struct Thread<T: Send, S = ()> {
    packet: Arc<dyn Returns<T>>,
    _scope: PhantomData<S>,
}

impl<T: Send, S> Thread<T, S> {
    pub(super) fn core(&self) -> &Core {
        self.packet.core()
    }

    /// Returns the task of the thread.
    pub fn task(&self) -> &Task {
        self.packet.core().task()
    }

    /// Returns whether the caller is this thread.
    ///
    /// May be called from any context. In an interrupt, the caller is the interrupted task.
    ///
    /// In C this is `kthread_func(current)` or `kthread_data(current)`, compared with the arguments
    /// of `kthread_create()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(thread: &Thread<()>) -> Result {
    /// // Waiting for it here would otherwise be a deadlock.
    /// if !thread.is_current() {
    ///     thread.wake();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "kthread_func")]
    #[doc(alias = "kthread_data")]
    pub fn is_current(&self) -> bool {
        self.core().is_current()
    }

    /// Returns whether the closure has returned, or never will because the thread died.
    ///
    /// May be called from any context.
    pub fn is_finished(&self) -> bool {
        self.packet.core().is_finished()
    }

    /// Returns whether the thread has been parked, and not been unparked or asked to stop since.
    ///
    /// May be called from any context.
    pub fn is_parked(&self) -> bool {
        self.packet.core().is_parked()
    }

    /// Ends the thread's present wait, or its next one if it does not wait.
    ///
    /// May be called from any context.
    #[doc(alias = "wake_up_process")]
    #[inline]
    pub fn wake(&self) {
        self.packet.core().wake();
    }

    /// Returns a [`Waker`], which can wake the thread without owning it.
    pub fn waker(&self) -> Waker {
        Waker::new(self.packet.clone().into_member())
    }

    /// Returns an [`Observer`], which can look at the thread without owning it.
    pub fn observer(&self) -> Observer {
        Observer::new(self.packet.clone().into_member())
    }

    /// Asks the closure to return, without waiting until it does.
    ///
    /// This has the effect of [`Thread::stop`] on the thread: it ends the waits of [`Context`], and
    /// every other interruptible sleep, such as [`Completion::wait_interruptible`] or one in C
    /// code, now and later. A parked thread is unparked, and cannot be parked again.
    ///
    /// A thread that is in [`Thread::join`] passes the request on to the one that it joins, if both
    /// are of the same module.
    ///
    /// May be called from any context.
    ///
    /// [`Context`]: super::Context
    /// [`Completion::wait_interruptible`]: super::Completion::wait_interruptible
    pub fn request_stop(&self) {
        self.packet.request_stop();
    }

    /// Parks the thread, and returns once it sleeps and will not run until it is unparked.
    ///
    /// It parks when it reaches a wait or a park point; a finished thread counts as parked. In a
    /// thread that [parks itself](super::Builder::parks_itself) a wait only reports the request. A
    /// closure that does none of these keeps the caller waiting, and so does one that waits for
    /// something else, which a park does not interrupt. A thread in the refrigerator parks once it
    /// is thawed. If a thread dies before it parks, the caller waits for ever, because the
    /// completion of `kthread_park()` is out of reach.
    ///
    /// Sleeps. Fails with
    /// - [`EBUSY`] if the thread is parked already,
    /// - [`EDEADLK`] if the caller is the thread itself,
    /// - [`ESRCH`] if the thread has been asked to stop, or has died.
    ///
    /// Wraps `kthread_park()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_park")]
    pub fn park(&mut self) -> Result {
        self.core().park()
    }

    /// Lets a parked thread go on.
    ///
    /// Does not sleep. Fails with [`EBUSY`] if the thread is not parked, for example because it has
    /// been asked to stop.
    ///
    /// Wraps `kthread_unpark()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_unpark")]
    pub fn unpark(&mut self) -> Result {
        match self.packet.core().unpark() {
            true => Ok(()),
            false => Err(EBUSY),
        }
    }

    /// Parks the thread for as long as the returned guard lives.
    ///
    /// Context and errors are those of [`Thread::park`].
    pub fn park_guard(&mut self) -> Result<Parked<'_, T, S>> {
        self.park()?;
        Ok(Parked { thread: self })
    }

    /// Stops the thread, and returns the value of the closure.
    ///
    /// A parked thread is unparked.
    ///
    /// Sleeps until the task has exited. A thread in the refrigerator stops once it is thawed.
    ///
    /// Wraps `kthread_stop()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_stop")]
    pub fn stop(self) -> Result<T, JoinError> {
        may_wait_for(self.core())?;
        self.into_value()
    }

    /// Waits until the closure returns by itself, and returns its value.
    ///
    /// The thread is not asked to stop, unless the caller is a thread that is asked to stop before
    /// or during the call, and passes that on. A parked thread is unparked.
    ///
    /// Sleeps.
    pub fn join(self) -> Result<T, JoinError> {
        wait_for(self.packet.as_member())?;
        self.into_value()
    }

    /// Gives up the handle.
    ///
    /// The thread runs until its closure returns, or its group or scope stops it.
    ///
    /// The thread then drops its value; if the value exists already, this drops it. A parked thread
    /// is unparked.
    ///
    /// Does not sleep, but dropping the value may.
    pub fn detach(self) {
        self.packet.core().unpark();
        self.abandon();
        // SAFETY: `self` is neither used again nor dropped, and neither is the reference.
        drop(unsafe { core::ptr::read(&raw const ManuallyDrop::new(self).packet) });
    }

    /// Leaves the value to nobody.
    fn abandon(&self) {
        if self.packet.core().abandon() {
            // SAFETY: There is a value, and this is the only handle.
            unsafe { self.packet.drop_value() };
        }
    }

    /// Reaps the thread and takes its value.
    ///
    /// This forgets the handle, as dropping it would reap the thread again. The caller must not be
    /// the thread itself.
    fn into_value(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // SAFETY: The packet of `this` is neither used again nor dropped.
        let packet = unsafe { core::ptr::read(&raw const this.packet) };

        packet::reap(packet.as_member());
        if packet.core().abandon() {
            // SAFETY: There is a value, and this was the only handle.
            return Ok(unsafe { packet.take_value() });
        }
        match packet.core().last_state() {
            State::Entered => Err(JoinError::Died),
            _ => Err(JoinError::NeverRan),
        }
    }
}

/// Returns an error if the caller is the thread that it is about to wait for.
#[inline(never)]
fn may_wait_for(core: &Core) -> Result<(), JoinError> {
    might_sleep();
    match core.is_current() {
        false => Ok(()),
        true => Err(JoinError::WouldDeadlock),
    }
}

/// Waits until the closure of `member` returns by itself, as [`Thread::join`] does.
fn wait_for(member: &dyn Member) -> Result<(), JoinError> {
    let core = member.core();

    may_wait_for(core)?;
    core.map.wait();
    core.claim();
    core.unpark();
    // A thread that the group has stopped before it was started does not exit by itself. The group
    // ends it.
    if core.last_state() != State::New {
        Core::with_current(|caller| match caller {
            Some(caller) => core
                .exit()
                .wait_or(|| caller.stop_requested(), || member.request_stop()),
            None => core.exit().wait(),
        });
    }
    Ok(())
}

impl<T: Send, S> Drop for Thread<T, S> {
    /// Stops the thread and drops its value.
    ///
    /// In the thread itself this only gives up the handle, as [`Thread::detach`] does.
    ///
    /// Sleeps.
    fn drop(&mut self) {
        if may_wait_for(self.core()).is_ok() {
            packet::reap(self.packet.as_member());
        }
        self.abandon();
    }
}

/// A thread that is parked until this guard is dropped.
///
/// Dropping the guard does not sleep. Leaking it leaves the thread parked.
///
/// # Examples
///
/// ```
/// # fn f(thread: &mut Thread<()>) -> Result {
/// let parked = thread.park_guard()?;
///
/// // Here the thread does not run.
/// assert!(parked.is_parked());
/// drop(parked);
/// assert!(!thread.is_parked());
/// # Ok(())
/// # }
/// ```
#[must_use = "the thread is unparked when the guard is dropped"]
pub struct Parked<'a, T: Send, S = ()> {
    thread: &'a mut Thread<T, S>,
}

impl<T: Send, S> Deref for Parked<'_, T, S> {
    type Target = Thread<T, S>;

    fn deref(&self) -> &Thread<T, S> {
        self.thread
    }
}

impl<T: Send, S> Drop for Parked<'_, T, S> {
    fn drop(&mut self) {
        // The thread is parked, unless it has been asked to stop, which also unparks it.
        let _ = self.thread.unpark();
    }
}

/// Wakes a thread, without keeping others from stopping it.
///
/// Waking a thread that is gone does nothing. A waker may be dropped in any context in which memory
/// can be freed; with `CONFIG_PREEMPT_RT` that excludes hard interrupts and raw spinlocks.
///
/// # Examples
///
/// ```
/// # fn f(group: &ThreadGroup) -> Result {
/// let sleeper = group.spawn(fmt!("sleeper"), |ctx| ctx.wait())?;
/// let waker = sleeper.waker();
///
/// waker.clone().wake();
/// assert_eq!(sleeper.join(), Ok(Wake::Ready));
/// // Waking a thread that is gone does nothing.
/// waker.wake();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Waker {
    member: Arc<dyn Member>,
}

impl<M> Context<'_, M> {
    /// Returns a [`Waker`] with which others can wake this thread.
    ///
    /// Does not sleep.
    ///
    /// # Examples
    ///
    /// A thread that passes out its waker:
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, callbacks: Arc<SetOnce<Waker>>) -> Result {
    /// let thread = group.spawn(fmt!("listens"), move |ctx| {
    ///     // From here on, a callback wakes it.
    ///     callbacks.populate(ctx.waker());
    ///     while ctx.wait() == Wake::Ready {
    ///         pr_info!("called back\n");
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn waker(&self) -> Waker {
        Waker::new(self.core().own())
    }
}

impl Waker {
    pub(super) fn new(member: Arc<dyn Member>) -> Self {
        Self { member }
    }

    /// Ends the thread's present wait, or its next one if it does not wait.
    ///
    /// May be called from any context.
    #[doc(alias = "wake_up_process")]
    #[inline]
    pub fn wake(&self) {
        self.member.core().wake();
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_thread)]
mod tests {
    use super::super::{
        core::HasCore,
        errno::edeadlk,
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        new_mutex,
        prelude::*,
        sync::{
            atomic::{
                atomic_load,
                Relaxed, //
            },
            Arc, //
        }, //
    };

    #[test]
    fn a_value_comes_back_from_join_and_from_stop() -> Result {
        let group = group()?;

        assert_eq!(group.spawn(fmt!("join"), |_| 7)?.join(), Ok(7));
        assert_eq!(group.spawn(fmt!("stop"), |_| 8)?.stop(), Ok(8));
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn an_errno_of_the_closure_is_no_errno_of_the_api() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("eintr"), |_| -> Result { Err(EINTR) })?;

        assert_eq!(thread.stop(), Ok(Err(EINTR)));
        Ok(())
    }

    #[test]
    fn a_thread_that_is_not_started_drops_its_closure_unused() -> Result {
        let group = group()?;
        let (runs, drops) = (count()?, count()?);

        for _ in 0..10 {
            let (runs, counted) = (runs.clone(), Counted(drops.clone()));
            let thread = Builder::new(fmt!("unused")).create(&group, move |_| {
                runs.fetch_add(1, Relaxed);
                drop(counted);
            })?;

            // A wake-up before the start must not start it.
            thread.waker().wake();
            drop(thread);
        }
        assert_eq!(runs.load(Relaxed), 0);
        assert_eq!(drops.load(Relaxed), 10);
        Ok(())
    }

    #[test]
    fn a_thread_that_is_stopped_at_once_has_run() -> Result {
        let group = group()?;
        let runs = count()?;

        for _ in 0..ROUNDS {
            let runs = runs.clone();
            let thread = group.spawn(fmt!("at-once"), move |_| {
                runs.fetch_add(1, Relaxed);
            })?;

            assert_eq!(thread.stop(), Ok(()));
        }
        assert_eq!(runs.load(Relaxed), ROUNDS);
        Ok(())
    }

    #[test]
    fn a_thread_that_is_parked_at_once_has_run_when_stopped() -> Result {
        let group = group()?;

        for _ in 0..ROUNDS {
            let mut thread = group.spawn(fmt!("park-first"), |ctx| ctx.wait())?;

            thread.park()?;
            assert_eq!(thread.stop(), Ok(Wake::Stop));
        }
        Ok(())
    }

    #[test]
    fn values_and_closures_are_dropped_once() -> Result {
        let drops = count()?;
        let spawn = |group: &ThreadGroup| {
            let (captured, returned) = (Counted(drops.clone()), Counted(drops.clone()));

            group.spawn(fmt!("counted"), move |_| {
                drop(captured);
                returned
            })
        };

        // The handle is dropped, joined, stopped, or leaked while the group exists.
        let group = group()?;
        drop(spawn(&group)?);
        assert_eq!(drops.load(Relaxed), 2);
        drop(spawn(&group)?.join());
        assert_eq!(drops.load(Relaxed), 4);
        drop(spawn(&group)?.stop());
        assert_eq!(drops.load(Relaxed), 6);
        let handle = spawn(&group)?;
        drop(group);
        // The handle outlives the group, and the value the thread.
        drop(handle);
        assert_eq!(drops.load(Relaxed), 8);
        Ok(())
    }

    #[test]
    fn a_request_to_stop_does_not_wait() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("asked"), |ctx| {
            until_stopped(ctx);
            ctx.should_stop()
        })?;

        assert!(!thread.is_finished());
        thread.request_stop();
        // It has been asked to stop, so this returns.
        assert_eq!(thread.join(), Ok(true));
        Ok(())
    }

    #[test]
    fn to_park_twice_or_to_unpark_what_runs_is_an_error() -> Result {
        let group = group()?;
        let mut thread = group.spawn(fmt!("twice"), until_stopped)?;

        assert_eq!(thread.unpark(), Err(EBUSY));
        thread.park()?;
        assert_eq!(thread.park(), Err(EBUSY));
        thread.unpark()?;
        assert_eq!(thread.unpark(), Err(EBUSY));

        let parked = thread.park_guard()?;
        assert!(parked.is_parked());
        drop(parked);
        assert!(!thread.is_parked());

        // After a leaked guard the thread can still be stopped.
        ::core::mem::forget(thread.park_guard()?);
        assert_eq!(thread.stop(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_parked_thread_that_is_let_go_of_goes_on() -> Result {
        let group = group()?;
        let woken = count()?;
        let seen = woken.clone();
        let mut thread = group.spawn(fmt!("goes-on"), move |ctx| {
            if ctx.wait() == Wake::Ready {
                seen.fetch_add(1, Relaxed);
            }
        })?;

        thread.park()?;
        thread.wake();
        thread.detach();
        assert!(eventually(|| woken.load(Relaxed) == 1));
        Ok(())
    }

    #[test]
    fn a_finished_thread_can_be_parked_and_joined() -> Result {
        let group = group()?;

        for _ in 0..ROUNDS / 4 {
            // The closure returns while, before, or after it is parked.
            let mut thread = group.spawn(fmt!("brief"), |_| 5)?;

            thread.park()?;
            assert!(thread.is_finished());
            thread.unpark()?;
            thread.park()?;
            assert_eq!(thread.join(), Ok(5));
        }
        Ok(())
    }

    #[test]
    fn a_thread_can_not_stop_park_or_join_itself() -> Result {
        let group = group()?;
        let drops = count()?;

        // The last one drops its handle.
        for way in 0..4 {
            let slot = Arc::pin_init(new_mutex!(None::<Thread<(bool, Counted)>>), GFP_KERNEL)?;
            let (own, counted) = (slot.clone(), Counted(drops.clone()));
            let answer = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
            let answered = answer.clone();
            let thread = group.spawn(fmt!("selfish"), move |ctx| {
                let mut taken = None;
                let _ = ctx.wait_until(|| {
                    taken = own.lock().take();
                    taken.is_some()
                });
                let refused = match (taken, way) {
                    (Some(thread), 0) => thread.stop().err() == Some(JoinError::WouldDeadlock),
                    (Some(thread), 1) => thread.join().err() == Some(JoinError::WouldDeadlock),
                    (Some(mut thread), 2) => thread.park() == Err(edeadlk()),
                    (taken, _) => taken.is_some(),
                };
                if refused {
                    answered.complete();
                }
                (refused, counted)
            })?;

            let waker = thread.waker();
            *slot.lock() = Some(thread);
            waker.wake();
            answer.wait_for_completion();
        }
        // Nobody can join them any more, so they leave by themselves.
        assert!(eventually(|| group.is_empty()));
        // No handle was left to take the values.
        assert_eq!(drops.load(Relaxed), 4);
        Ok(())
    }

    #[test]
    fn a_thread_that_is_being_stopped_can_ask_its_own_handle() -> Result {
        let group = group()?;
        let slot = Arc::pin_init(new_mutex!(None::<Thread<()>>), GFP_KERNEL)?;
        let (own, answers) = (slot.clone(), count()?);
        let answered = answers.clone();
        let thread = group.spawn(fmt!("asks"), move |ctx| {
            until_stopped(ctx);
            // The group already waits for this thread.
            if let Some(mut thread) = own.lock().take() {
                let busy = thread.unpark() == Err(EBUSY);
                if busy && !thread.is_parked() && !thread.is_finished() {
                    answered.fetch_add(1, Relaxed);
                }
            }
        })?;

        *slot.lock() = Some(thread);
        drop(group);
        assert_eq!(answers.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_wake_up_that_races_with_the_start_is_not_lost() -> Result {
        let group = group()?;
        let slot = Arc::pin_init(new_mutex!(None::<Waker>), GFP_KERNEL)?;
        let (ready, done) = (count()?, count()?);
        let (given, seen, echo) = (slot.clone(), ready.clone(), done.clone());
        let other = group.spawn(fmt!("waker"), move |ctx| {
            while !ctx.should_stop() {
                if seen.load(Relaxed) == echo.load(Relaxed) {
                    ctx.yield_point();
                    continue;
                }
                if let Some(waker) = given.lock().take() {
                    // The other thread is about to start this one.
                    echo.fetch_add(1, Relaxed);
                    waker.wake();
                }
            }
        })?;

        for round in 1..=ROUNDS / 10 {
            let thread = Builder::new(fmt!("raced")).create(&group, |ctx| ctx.wait())?;

            *slot.lock() = Some(thread.waker());
            ready.fetch_add(1, Relaxed);
            while done.load(Relaxed) < round {
                pause();
            }
            assert_eq!(thread.start().join(), Ok(Wake::Ready));
        }
        other.request_stop();
        assert_eq!(other.join(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_request_to_stop_ends_foreign_sleeps_and_unparks() -> Result {
        let group = group()?;
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;

        for is_early in [false, true] {
            let (waits, waiting) = (never.clone(), count()?);
            let waited = waiting.clone();
            let thread = group.spawn(fmt!("foreign"), move |_| {
                waited.fetch_add(1, Relaxed);
                // Now, and from now on.
                (waits.wait_interruptible(), waits.wait_interruptible())
            })?;

            if !is_early {
                assert!(eventually(|| waiting.load(Relaxed) == 1));
            }
            thread.request_stop();
            assert!(eventually(|| thread.is_finished()));
            assert_eq!(thread.join(), Ok((Err(ERESTARTSYS), Err(ERESTARTSYS))));
        }

        let mut parked = group.spawn(fmt!("parked"), |ctx| ctx.wait())?;
        parked.park()?;
        parked.request_stop();
        assert!(!parked.is_parked());
        assert!(eventually(|| parked.is_finished()));
        assert_eq!(parked.park(), Err(ESRCH));
        assert_eq!(parked.join(), Ok(Wake::Stop));
        Ok(())
    }

    #[test]
    fn what_is_asked_to_stop_before_it_starts_does_not_wait() -> Result {
        let mut group = group()?;
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let waits = never.clone();
        let new =
            Builder::new(fmt!("early")).create(&group, move |_| waits.wait_interruptible())?;
        let gone = Builder::new(fmt!("gone")).create(&group, |_| ())?;

        new.thread.request_stop();
        let asked = new.start();
        assert_eq!(asked.join(), Ok(Err(ERESTARTSYS)));
        group.stop_all();
        assert_eq!(gone.start().join(), Err(JoinError::NeverRan));
        Ok(())
    }

    #[test]
    fn a_join_by_a_thread_that_is_asked_to_stop_becomes_a_stop() -> Result {
        let group = group()?;
        let joining = count()?;
        let begun = joining.clone();
        let outer = group.spawn(fmt!("outer"), move |_| {
            scope(|s| -> Result<Wake> {
                let inner = s.spawn(fmt!("inner"), |_| {
                    scope(|s| -> Result<Wake> {
                        let innermost = s.spawn(fmt!("innermost"), |ctx| ctx.wait())?;

                        begun.fetch_add(1, Relaxed);
                        Ok(innermost.join()?)
                    })?
                })?;

                inner.join()?
            })?
        })?;

        assert!(eventually(|| joining.load(Relaxed) == 1));
        outer.request_stop();
        assert_eq!(outer.join(), Ok(Ok(Wake::Stop)));
        Ok(())
    }

    #[test]
    fn a_thread_hands_out_its_own_waker() -> Result {
        let group = group()?;
        let slot = Arc::pin_init(new_mutex!(None::<Waker>), GFP_KERNEL)?;
        let woken = count()?;
        let take = || {
            assert!(eventually(|| slot.lock().is_some()));
            slot.lock().take().ok_or(EINVAL)
        };

        let own = slot.clone();
        let thread = group.spawn(fmt!("own"), move |ctx| {
            *own.lock() = Some(ctx.waker());
            ctx.wait()
        })?;
        let waker = take()?;
        waker.wake();
        assert_eq!(thread.join(), Ok(Wake::Ready));
        // It is the only remaining reference.
        waker.wake();
        drop(waker);

        // A worker, in a work item, and a thread that borrows.
        let worker = Builder::new(fmt!("own")).spawn_worker(&group)?;
        let own = slot.clone();
        let counted = woken.clone();
        worker.spawn(GFP_KERNEL, move |ctx| {
            *own.lock() = Some(ctx.waker());
            counted.fetch_add(usize::from(ctx.wait() == Wake::Ready), Relaxed);
        })?;
        let waker = take()?;
        waker.wake();
        worker.flush()?;
        drop(worker);
        waker.wake();
        assert_eq!(woken.load(Relaxed), 1);

        let counted = &woken;
        let own = &slot;
        let waker = scope(|s| -> Result<_> {
            let thread = s.spawn(fmt!("own"), |ctx| {
                *own.lock() = Some(ctx.waker());
                counted.fetch_add(usize::from(ctx.wait() == Wake::Ready), Relaxed);
            })?;
            let waker = take()?;
            waker.wake();
            thread.join()?;
            Ok(waker)
        })??;
        waker.wake();
        assert_eq!(woken.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn who_joins_does_not_ask_for_a_stop() -> Result {
        let group = group()?;
        let sleeper = group.spawn(fmt!("sleeper"), |ctx| ctx.wait())?;
        let waker = sleeper.waker();
        let joiner = group.spawn(fmt!("joiner"), move |_| sleeper.join())?;

        for _ in 0..100 {
            // Disturbing the wait does not end it.
            joiner.task().wake_up();
            pause();
        }
        assert!(!joiner.is_finished());
        waker.wake();
        assert_eq!(joiner.join(), Ok(Ok(Wake::Ready)));
        Ok(())
    }

    #[test]
    fn many_wait_for_the_exit_of_one() -> Result {
        for _ in 0..ROUNDS / 20 {
            let group = group()?;
            let exit = count()?;
            let told = exit.clone();
            let thread = group.spawn(fmt!("one"), move |ctx| {
                until_stopped(ctx);
                told.fetch_add(1, Relaxed);
            })?;
            let packet = thread.packet.clone();
            let core = packet.core();

            scope(|s| -> Result {
                let mut waiters = KVec::new();
                for _ in 0..4 {
                    let waiter = s.spawn(fmt!("waiter"), |_| core.exit().wait())?;
                    waiters.push(waiter, GFP_KERNEL)?;
                }
                assert_eq!(thread.stop(), Ok(()));
                for waiter in waiters {
                    assert_eq!(waiter.join(), Ok(()));
                }
                Ok(())
            })??;
            assert_eq!(exit.load(Relaxed), 1);
        }
        Ok(())
    }

    #[test]
    fn who_waits_for_more_than_an_exit_passes_it_on() -> Result {
        const WAITERS: usize = 4;

        let group = group()?;
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let told = count()?;
        let thread = group.spawn(fmt!("one"), until_stopped)?;
        let mut waiters = KVec::new();

        for _ in 0..WAITERS {
            let (packet, never, told) = (thread.packet.clone(), never.clone(), told.clone());
            let waiter = group.spawn(fmt!("waiter"), move |_| {
                if !packet.core().exit().wait_with(&never) {
                    told.fetch_add(1, Relaxed);
                }
            })?;

            waiters.push(waiter, GFP_KERNEL)?;
        }
        let sleeps = |waiter: &Thread<()>| {
            // SAFETY: The handle keeps the task. Others write its state in single writes.
            let state = unsafe { atomic_load(&raw mut (*waiter.task().as_ptr()).__state, Relaxed) };

            state == bindings::TASK_UNINTERRUPTIBLE
        };
        assert!(eventually(|| waiters.iter().all(sleeps)));
        // The exit wakes one of the waiters.
        thread.request_stop();
        let all_told = eventually(|| told.load(Relaxed) == WAITERS);
        // This wakes all.
        assert_eq!(thread.stop(), Ok(()));
        assert!(all_told);
        Ok(())
    }

    #[test]
    fn what_is_asked_to_stop_while_it_is_being_parked_is_not_parked() -> Result {
        let group = group()?;
        let (asked, go) = (
            Arc::pin_init(Completion::new(), GFP_KERNEL)?,
            Arc::pin_init(Completion::new(), GFP_KERNEL)?,
        );
        let (told, goes) = (asked.clone(), go.clone());
        let mut thread = group.spawn(fmt!("parked"), move |ctx| {
            let is_asked = eventually(|| ctx.should_park());

            told.complete();
            goes.wait_for_completion();
            is_asked
        })?;
        let packet = thread.packet.clone();
        let parker = group.spawn(fmt!("parks"), move |_| {
            let result = thread.park();

            (result, thread.is_parked(), thread)
        })?;

        asked.wait_for_completion();
        packet.request_stop();
        go.complete();
        let (result, is_parked, thread) = parker.join()?;
        assert_eq!(thread.stop(), Ok(true));
        assert_eq!((result, is_parked), (Err(ESRCH), false));
        Ok(())
    }

    /// A closure that takes more than half of a stack.
    #[inline(never)]
    fn spawn_large(group: &ThreadGroup) -> Result<Thread<usize>> {
        const SIZE: usize = if cfg!(CONFIG_KASAN) { 18 } else { 9 } * 1024;
        let data = [1u8; SIZE];

        group.spawn(fmt!("large"), move |_| ::core::hint::black_box(&data).len())
    }

    #[test]
    fn a_closure_is_on_the_stack_once() -> Result {
        let group = group()?;

        assert!(spawn_large(&group)?.join().is_ok_and(|len| len > 0));
        Ok(())
    }

    #[test]
    fn a_stop_interrupts_the_interruptible_waits_alone() -> Result {
        let group = group()?;
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let waits = never.clone();
        let thread = group.spawn(fmt!("waits"), move |_| {
            (waits.wait_interruptible(), waits.wait_killable_timeout(1))
        })?;

        assert_eq!(thread.stop(), Ok((Err(ERESTARTSYS), Ok(false))));
        Ok(())
    }
}
