// SPDX-License-Identifier: GPL-2.0

//! Completions, with every wait that the C side has.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    time::Jiffies,
    types::Opaque, //
};

/// Lets tasks wait until something has been done.
///
/// A completion counts: each [`complete`] lets one wait through, whether that wait has begun or is
/// still to come. [`complete_all`] lets all through until [`reinit`]. So do 2^32 - 1 calls of
/// [`complete`] without a wait, as that value of the count means `complete_all`.
///
/// Wraps the kernel's `struct completion`, whose waits call `might_sleep()` themselves.
///
/// # Examples
///
/// ```
/// let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
///
/// done.complete();
/// assert!(done.is_done());
/// done.wait_for_completion();
/// assert!(!done.try_wait());
/// # Ok::<(), Error>(())
/// ```
///
/// [`complete`]: Completion::complete
/// [`complete_all`]: Completion::complete_all
/// [`reinit`]: Completion::reinit
#[pin_data]
pub struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A `struct completion` belongs to no task, so any task may use or drop it.
unsafe impl Send for Completion {}

// SAFETY: All that `&Completion` gives access to is serialised by the lock in the C structure.
unsafe impl Sync for Completion {}

impl Completion {
    /// Creates an initialiser for a completion that has not been completed.
    #[doc(alias = "init_completion")]
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { bindings::init_completion(slot) }
            }),
        })
    }

    pub(super) fn as_raw(&self) -> *mut bindings::completion {
        self.inner.get()
    }

    /// Calls `f` with the lock of the completion held, and interrupts off.
    pub(super) fn with_lock<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: `self` holds an initialised `struct completion`, and so an initialised lock.
        let lock = unsafe { &raw mut (*self.as_raw()).wait.lock };
        // SAFETY: `lock` is initialised, as above. It is unlocked below.
        let flags = unsafe { bindings::_raw_spin_lock_irqsave(lock) };
        let result = f();

        // SAFETY: The lock was taken above, with these flags.
        unsafe { bindings::_raw_spin_unlock_irqrestore(lock, flags) };
        result
    }

    /// Lets one waiter through.
    ///
    /// May be called from any context.
    #[inline]
    pub fn complete(&self) {
        // SAFETY: `self` holds an initialised `struct completion`.
        unsafe { bindings::complete(self.as_raw()) }
    }

    /// Lets all waiters through, now and until [`Completion::reinit`].
    ///
    /// May be called from any context but a hard interrupt, where there may be too many to wake.
    #[inline]
    pub fn complete_all(&self) {
        // SAFETY: `self` holds an initialised `struct completion`.
        unsafe { bindings::complete_all(self.as_raw()) }
    }

    /// Waits until completed; nothing else ends the wait.
    ///
    /// Sleeps: must be called from process context.
    #[inline]
    pub fn wait_for_completion(&self) {
        // SAFETY: `self` holds an initialised `struct completion`.
        unsafe { bindings::wait_for_completion(self.as_raw()) }
    }

    /// Waits for at most `timeout` jiffies, and returns whether the completion came in time.
    ///
    /// Sleeps: must be called from process context.
    #[doc(alias = "wait_for_completion_timeout")]
    #[inline]
    pub fn wait_timeout(&self, timeout: Jiffies) -> bool {
        // SAFETY: `self` holds an initialised `struct completion`.
        unsafe { bindings::wait_for_completion_timeout(self.as_raw(), at_most(timeout)) != 0 }
    }

    /// Waits until completed, or until the caller gets a signal or is asked to stop, which gives
    /// [`ERESTARTSYS`].
    ///
    /// Sleeps: must be called from process context.
    #[doc(alias = "wait_for_completion_interruptible")]
    #[inline]
    pub fn wait_interruptible(&self) -> Result {
        // SAFETY: `self` holds an initialised `struct completion`.
        to_result(unsafe { bindings::wait_for_completion_interruptible(self.as_raw()) })
    }

    /// Waits until completed, or until the caller is killed, which gives [`ERESTARTSYS`].
    ///
    /// Kernel threads ignore signals unless they allow them.
    ///
    /// Sleeps: must be called from process context.
    #[doc(alias = "wait_for_completion_killable")]
    #[inline]
    pub fn wait_killable(&self) -> Result {
        // SAFETY: `self` holds an initialised `struct completion`.
        to_result(unsafe { bindings::wait_for_completion_killable(self.as_raw()) })
    }

    /// Like [`Completion::wait_interruptible`], for at most `timeout` jiffies.
    ///
    /// `Ok(false)` says that the time ran out.
    ///
    /// Sleeps: must be called from process context.
    #[doc(alias = "wait_for_completion_interruptible_timeout")]
    #[inline]
    pub fn wait_interruptible_timeout(&self, timeout: Jiffies) -> Result<bool> {
        // SAFETY: `self` holds an initialised `struct completion`.
        from_remaining(unsafe {
            bindings::wait_for_completion_interruptible_timeout(self.as_raw(), at_most(timeout))
        })
    }

    /// Like [`Completion::wait_killable`], for at most `timeout` jiffies.
    ///
    /// `Ok(false)` says that the time ran out.
    ///
    /// Sleeps: must be called from process context.
    #[doc(alias = "wait_for_completion_killable_timeout")]
    #[inline]
    pub fn wait_killable_timeout(&self, timeout: Jiffies) -> Result<bool> {
        // SAFETY: `self` holds an initialised `struct completion`.
        from_remaining(unsafe {
            bindings::wait_for_completion_killable_timeout(self.as_raw(), at_most(timeout))
        })
    }

    /// Takes one completion if there is one, without waiting.
    ///
    /// May be called from any context.
    #[doc(alias = "try_wait_for_completion")]
    #[inline]
    pub fn try_wait(&self) -> bool {
        // SAFETY: `self` holds an initialised `struct completion`.
        unsafe { bindings::try_wait_for_completion(self.as_raw()) }
    }

    /// Returns whether a wait would go through at once.
    ///
    /// May be called from any context.
    #[doc(alias = "completion_done")]
    #[inline]
    pub fn is_done(&self) -> bool {
        // SAFETY: `self` holds an initialised `struct completion`.
        unsafe { bindings::completion_done(self.as_raw()) }
    }

    /// Discards all completions that nobody has waited for yet.
    ///
    /// The exclusive borrow proves what C leaves to the caller: that nobody waits or completes at
    /// the same time.
    #[doc(alias = "reinit_completion")]
    #[inline]
    pub fn reinit(self: Pin<&mut Self>) {
        // SAFETY: `self` holds an initialised `struct completion`, and nobody else uses it.
        unsafe { (*self.as_raw()).done = 0 }
    }
}

/// Returns a timeout that C does not take for a negative one, which it would complain about.
///
/// The longest is C's `MAX_SCHEDULE_TIMEOUT`, which does not end.
fn at_most(timeout: Jiffies) -> Jiffies {
    // CAST: The greatest `c_long` fits an unsigned number of the same size.
    timeout.min(c_long::MAX as Jiffies)
}

/// Converts the return value of the timed waits: jiffies left, none, or a negative errno.
fn from_remaining(ret: c_long) -> Result<bool> {
    if ret < 0 {
        // CAST: Every errno fits an `i32`.
        return Err(Error::from_errno(ret as i32));
    }
    Ok(ret > 0)
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_completion)]
mod tests {
    use super::*;

    #[test]
    fn counts() -> Result {
        let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;

        assert!(!done.is_done());
        assert!(!done.try_wait());
        done.complete();
        done.complete();
        assert!(done.is_done());
        done.wait_for_completion();
        assert!(done.try_wait());
        assert!(!done.try_wait());
        Ok(())
    }

    #[test]
    fn complete_all_lasts_until_reinit() -> Result {
        let mut done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;

        done.complete_all();
        done.wait_for_completion();
        assert!(done.wait_timeout(1));
        assert_eq!(done.wait_interruptible(), Ok(()));
        assert_eq!(done.wait_killable(), Ok(()));
        assert_eq!(done.wait_interruptible_timeout(1), Ok(true));
        assert_eq!(done.wait_killable_timeout(1), Ok(true));
        done.as_mut().reinit();
        assert!(!done.try_wait());
        Ok(())
    }

    #[test]
    fn timed_waits_time_out() -> Result {
        let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;

        assert!(!done.wait_timeout(1));
        assert_eq!(done.wait_interruptible_timeout(1), Ok(false));
        assert_eq!(done.wait_killable_timeout(1), Ok(false));
        Ok(())
    }
}
