// SPDX-License-Identifier: GPL-2.0

//! Handles to threads.

use super::{
    errno::{
        ecanceled,
        edeadlk, //
    },
    identity::Observer,
    packet::{
        self,
        Member,
        Returns,
        State, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        atomic::Acquire,
        Arc, //
    },
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
    /// The thread died of an oops or a Rust panic. What it owned is leaked.
    Died,
    /// The group stopped the thread before it was started.
    NeverRan,
    /// The caller is the thread itself, which goes on, and is left to its group.
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

/// A kernel thread that has been created, and not started.
///
/// Its task exists, sleeps, and would start to run on any wake-up, which is why this type gives no
/// access to it. In the eyes of the kernel it is in an uninterruptible sleep: it counts for the load
/// average, and the hung task detector reports it if it stays so for long.
///
/// Dropping this ends the task and drops the closure, which then has never run.
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
    thread: ManuallyDrop<Thread<T, S>>,
}

impl<T: Send, S> NewThread<T, S> {
    /// Takes control of a thread.
    ///
    /// `S` names what the thread must not outlive.
    pub(super) fn new(packet: Arc<dyn Returns<T>>) -> Self {
        Self {
            thread: ManuallyDrop::new(Thread {
                packet,
                _scope: PhantomData,
            }),
        }
    }

    /// Wakes the thread for the first time.
    ///
    /// Sleeps, though not for long.
    ///
    /// # Guarantees
    ///
    /// The closure will run, even if the thread is stopped at once.
    #[doc(alias = "wake_up_process")]
    pub fn start(self) -> Thread<T, S> {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: `this` is not used again, nor dropped.
        let thread = unsafe { ManuallyDrop::take(&mut this.thread) };
        thread.packet.core().start();
        thread
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

impl<T: Send, S> Drop for NewThread<T, S> {
    fn drop(&mut self) {
        // SAFETY: `self.thread` is not used again.
        drop(unsafe { ManuallyDrop::take(&mut self.thread) });
    }
}

/// A kernel thread that has been started.
///
/// The thread lives until it is stopped or joined, which its handle does when it is dropped.
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
    /// Returns the task of the thread.
    pub fn task(&self) -> &Task {
        self.packet.core().task()
    }

    /// Tells whether the closure has returned, or never will because the thread died.
    ///
    /// May be called from any context.
    pub fn is_finished(&self) -> bool {
        self.packet.core().is_finished()
    }

    /// Tells whether the thread has been parked, and not unparked since.
    ///
    /// May be called from any context.
    pub fn is_parked(&self) -> bool {
        self.packet.core().parked.is_set()
    }

    /// Ends the thread's present wait, or its next one if it does not wait.
    ///
    /// May be called from any context.
    #[doc(alias = "wake_up_process")]
    #[inline]
    pub fn wake(&self) {
        self.packet.core().wake();
    }

    /// Returns something that can wake the thread without owning it.
    pub fn waker(&self) -> Waker {
        Waker::new(self.packet.clone().into_member())
    }

    /// Returns something that can look at the thread without owning it.
    pub fn observer(&self) -> Observer {
        Observer::new(self.packet.clone().into_member())
    }

    /// Asks the closure to return, without waiting until it does.
    ///
    /// Ends the waits of [`Context`]. A sleep outside of these, such as an interruptible wait for a
    /// lock or a completion, ends only when the thread is actually stopped.
    ///
    /// May be called from any context.
    ///
    /// [`Context`]: super::Context
    pub fn request_stop(&self) {
        self.packet.core().request_stop();
    }

    /// Parks the thread, and returns once it sleeps and will not run until it is unparked.
    ///
    /// That is when it reaches a wait or a park point, or when its closure has returned. A closure
    /// that does none of these keeps the caller waiting.
    ///
    /// Sleeps. Fails with
    /// - [`EBUSY`] if the thread is parked already,
    /// - [`EDEADLK`] if the caller is the thread itself,
    /// - [`ESRCH`] if the thread is gone or about to go, because its group stops it or because it died.
    ///
    /// Wraps `kthread_park()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_park")]
    pub fn park(&mut self) -> Result {
        might_sleep();

        let core = self.packet.core();
        if core.is_current() {
            return Err(edeadlk());
        }
        // A thread that parks before its first instruction would have to be unparked again by
        // whoever stops it, for its closure to run.
        core.wait_entered();

        let control = core.control.lock();
        if control.reaped || core.dismissed.is_set() || core.is_exiting() {
            return Err(ESRCH);
        }
        if core.parked.is_set() {
            return Err(EBUSY);
        }
        core.parked.put(true);
        // SAFETY: The task is alive, and does not exit instead of parking, as it only exits when
        // dismissed or reaped, for which one has to lock `control`. For the same reason nobody else
        // parks it.
        let ret = unsafe { bindings::kthread_park(core.task().as_ptr()) };
        if ret != 0 {
            core.parked.put(false);
            return to_result(ret);
        }
        Ok(())
    }

    /// Lets a parked thread go on.
    ///
    /// Does not sleep. Fails with [`EBUSY`] if the thread is not parked.
    ///
    /// Wraps `kthread_unpark()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_unpark")]
    pub fn unpark(&mut self) -> Result {
        let core = self.packet.core();

        if !core.parked.is_set() {
            return Err(EBUSY);
        }
        core.parked.put(false);
        // SAFETY: `core` holds a reference to the task. The call does nothing to one that is gone or
        // that `kthread_stop()` has unparked.
        unsafe { bindings::kthread_unpark(core.task().as_ptr()) };
        Ok(())
    }

    /// Parks the thread for as long as the returned guard lives.
    ///
    /// Context and errors are those of [`Thread::park`].
    pub fn park_guard(&mut self) -> Result<Parked<'_, T, S>> {
        self.park()?;
        Ok(Parked { thread: self })
    }

    /// Stops the thread: asks the closure to return, waits until the task is gone, and returns the
    /// closure's value.
    ///
    /// A parked thread is unparked.
    ///
    /// Sleeps. A thread in the refrigerator stops once it is thawed.
    ///
    /// Wraps `kthread_stop()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_stop")]
    pub fn stop(self) -> Result<T, JoinError> {
        if self.packet.core().is_current() {
            return Err(JoinError::WouldDeadlock);
        }
        self.into_value()
    }

    /// Waits until the closure returns by itself, and returns its value.
    ///
    /// The thread is not asked to stop. If it is parked it is unparked.
    ///
    /// Sleeps.
    pub fn join(mut self) -> Result<T, JoinError> {
        might_sleep();
        if self.packet.core().is_current() {
            return Err(JoinError::WouldDeadlock);
        }
        // That it is not parked is as good.
        let _ = self.unpark();
        self.packet.core().dismissed.put(true);
        self.packet.core().wait_done();
        self.into_value()
    }

    /// Reaps the thread, takes its value and lets go of it, as dropping it would reap it once more.
    /// The caller is not the thread itself.
    fn into_value(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // SAFETY: The packet of `this` is not used again, nor dropped.
        let packet = unsafe { core::ptr::read(&raw const this.packet) };

        packet::reap(&*packet);
        // SAFETY: The task is gone. This was the only handle, and it is not abandoned, because that
        // happens only when it is dropped.
        match unsafe { packet.take_value() } {
            Some(value) => Ok(value),
            None if packet.core().state.load(Acquire) == State::Entered => Err(JoinError::Died),
            None => Err(JoinError::NeverRan),
        }
    }
}

impl<T: Send, S> Drop for Thread<T, S> {
    /// Stops the thread and drops its value.
    ///
    /// In the thread itself this only lets go of the handle, and leaves the thread to its group.
    ///
    /// Sleeps.
    fn drop(&mut self) {
        if self.packet.core().is_current() {
            self.packet.core().abandon();
        } else {
            packet::reap(&*self.packet);
            // SAFETY: The task is gone. This is the only handle, and it has not been abandoned.
            unsafe { self.packet.drop_value() };
        }
    }
}

/// A thread that is parked until this guard is dropped.
///
/// Leaking the guard leaves the thread parked.
///
/// # Examples
///
/// ```
/// # fn f(thread: &mut Thread<()>) -> Result {
/// let parked = thread.park_guard()?;
///
/// // Here it does not run.
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
        // The thread is parked, unless its group has stopped it, which undoes that too.
        let _ = self.thread.unpark();
    }
}

/// Wakes a thread, and keeps nobody from stopping it.
///
/// To wake a thread that is gone does nothing.
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
/// // To wake a thread that is gone does nothing.
/// waker.wake();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Waker {
    member: Arc<dyn Member>,
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
