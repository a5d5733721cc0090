// SPDX-License-Identifier: GPL-2.0

//! Threads that borrow from the function that spawns them.

use super::{
    builder::Builder,
    context::Context,
    lockdep::Site,
    members::Members,
    thread::{
        NewThread,
        Thread, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    task::might_sleep,
    types::{
        NotThreadSafe,
        ScopeGuard, //
    }, //
};

/// Marks a [`Thread`] or [`NewThread`] that is gone when the scope `'scope` ends.
///
/// It is invariant in the lifetime, so that a handle cannot be used as one of another scope.
pub struct Scoped<'scope>(PhantomData<&'scope mut &'scope ()>);

/// The handle of a thread of a [`Scope`].
pub type ScopedThread<'scope, T> = Thread<T, Scoped<'scope>>;

/// A scope in which threads that borrow can be spawned.
///
/// See [`scope`].
///
/// Only the function that opened the scope can spawn threads in it: a `Scope` cannot be shared with
/// other threads.
pub struct Scope<'scope, 'env: 'scope> {
    members: Arc<Members>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
    _not_thread_safe: NotThreadSafe,
}

/// Calls `f`, which can spawn threads that borrow from its environment, and stops them.
///
/// When `f` returns, all remaining threads are asked to stop, and then waited for, so `scope` takes
/// as long as the slowest. To wait until a thread returns by itself, call [`Thread::join`] in `f`.
/// The values of the threads are dropped before `scope` returns, even if their handles have been
/// leaked.
///
/// If the caller dies in `f`, by an oops, a panic or a failed KUnit assertion, its threads are not
/// stopped: they keep using a freed stack, and module text that may be unloaded.
///
/// Sleeps. Fails with [`ENOMEM`] without calling `f`.
///
/// # Examples
///
/// ```
/// # use kernel::sync::atomic::{Atomic, Relaxed};
/// let words = ["a", "scope", "of", "threads"];
/// let longest = Atomic::new(0usize);
///
/// kthread::scope(|s| -> Result {
///     let all = s.spawn(fmt!("all"), |_ctx| words.iter().map(|word| word.len()).sum::<usize>())?;
///
///     // Dropping this handle stops the thread, after it has run.
///     drop(s.spawn(fmt!("longest"), |_ctx| {
///         longest.store(words.iter().map(|word| word.len()).max().unwrap_or(0), Relaxed);
///     })?);
///     assert_eq!(all.join(), Ok(15));
///     Ok(())
/// })??;
/// assert_eq!(longest.load(Relaxed), 7);
/// # Ok::<(), Error>(())
/// ```
pub fn scope<'env, R>(f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R) -> Result<R> {
    might_sleep();

    let scope = Scope {
        members: Members::new(true)?,
        _scope: PhantomData,
        _env: PhantomData,
        _not_thread_safe: NotThreadSafe,
    };
    let members = scope.members.clone();
    let stop = ScopeGuard::new(|| {
        // SAFETY: The caller is the function that opened the scope, and not one of its threads.
        // Handles cannot outlive the scope. Handles that its threads own are gone when the threads
        // are, and no others can be used from here on: `f` has returned, and a closure or value of
        // another thread holds none, as it is `'static` or belongs to a scope within `f`.
        unsafe { members.stop_and_clear() }
    });
    let result = f(&scope);

    drop(stop);
    Ok(result)
}

impl<'scope> Scope<'scope, '_> {
    pub(super) fn members(&self) -> &Arc<Members> {
        &self.members
    }

    /// Creates a thread named `name` that can borrow, and starts it, with defaults for everything
    /// else.
    ///
    /// See [`Builder`] for the choices, and [`Builder::create`] for context and errors.
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn<F, T>(
        &'scope self,
        name: fmt::Arguments<'_>,
        closure: F,
    ) -> Result<ScopedThread<'scope, T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Builder::new(name).spawn_scoped(self, closure)
    }
}

impl Builder<'_> {
    /// Creates a thread of a scope that runs `closure` once it is started.
    ///
    /// Context and errors are those of [`Builder::create`].
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn create_scoped<'scope, F, T>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        closure: F,
    ) -> Result<NewThread<T, Scoped<'scope>>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'scope,
        T: Send + 'scope,
    {
        // SAFETY: Everything that `F` and `T` borrow outlives `'scope`, and so the call of
        // `scope()` that created the `Scope`. Before that returns, all its threads have been
        // reaped, and their closures and values dropped or taken.
        unsafe { self.create_in(scope.members(), Site::caller(), closure) }
    }

    /// Creates a thread of a scope that runs `closure`, and starts it.
    ///
    /// Context and errors are those of [`Builder::create`].
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn_scoped<'scope, F, T>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        closure: F,
    ) -> Result<ScopedThread<'scope, T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Ok(self.create_scoped(scope, closure)?.start())
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_scope)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        new_mutex,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };
    use pin_init::stack_pin_init;

    const ROUNDS: usize = 50;

    /// Counts how often it is dropped.
    struct Counted<'a>(&'a Atomic<usize>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_scoped_thread_borrows_and_returns_what_it_borrowed() -> Result {
        let numbers = [1, 2, 3];

        let (sum, last) = scope(|s| -> Result<_> {
            let sum = s.spawn(fmt!("sum"), |_| numbers.iter().sum::<i32>())?;
            let last = s.spawn(fmt!("last"), |_| numbers.last())?;

            Ok((sum.join()?, last.stop()?))
        })??;
        assert_eq!((sum, last), (6, Some(&3)));
        Ok(())
    }

    #[test]
    fn a_scope_ends_with_all_threads_gone_and_all_they_left_dropped() -> Result {
        for _ in 0..ROUNDS {
            let (runs, drops) = (Atomic::new(0usize), Atomic::new(0usize));

            scope(|s| -> Result {
                // The handle is leaked while the thread runs, before it is started, while it is
                // parked, and when it has finished.
                for _ in 0..2 {
                    let counted = Counted(&drops);
                    ::core::mem::forget(s.spawn(fmt!("leaked"), |ctx| {
                        until_stopped(ctx);
                        runs.fetch_add(1, Relaxed);
                        counted
                    })?);
                }
                let counted = Counted(&drops);
                ::core::mem::forget(
                    Builder::new(fmt!("new")).create_scoped(s, move |_| drop(counted))?,
                );
                let mut parked = s.spawn(fmt!("parked"), |ctx| {
                    until_stopped(ctx);
                    Counted(&drops)
                })?;
                parked.park()?;
                ::core::mem::forget(parked);
                let finished = s.spawn(fmt!("finished"), |_| Counted(&drops))?;
                while !finished.is_finished() {
                    pause();
                }
                ::core::mem::forget(finished);
                Ok(())
            })??;
            assert_eq!(runs.load(Relaxed), 2);
            assert_eq!(drops.load(Relaxed), 5);
        }
        Ok(())
    }

    #[test]
    fn a_scoped_handle_may_be_dropped_by_any_thread_of_its_scope() -> Result {
        for _ in 0..ROUNDS {
            let drops = Atomic::new(0usize);
            scope(|s| -> Result {
                let first = s.spawn(fmt!("first"), |ctx| {
                    until_stopped(ctx);
                    Counted(&drops)
                })?;
                // Also drops the handle of the first thread while the scope ends.
                drop(s.spawn(fmt!("second"), move |ctx| {
                    let _ = ctx.wait_timeout(kernel::time::Delta::from_micros(50));
                    drop(first);
                })?);
                Ok(())
            })??;
            assert_eq!(drops.load(Relaxed), 1);
        }
        Ok(())
    }

    #[test]
    fn a_waker_may_outlive_the_scope() -> Result {
        let number = 7;
        let waker = scope(|s| -> Result<_> {
            let thread = s.spawn(fmt!("wakee"), |ctx| (ctx.wait(), &number))?;
            let waker = thread.waker();

            waker.wake();
            assert_eq!(thread.join(), Ok((Wake::Ready, &7)));
            Ok(waker)
        })??;

        waker.wake();
        Ok(())
    }

    #[test]
    fn a_scope_takes_as_long_as_its_slowest_thread() -> Result {
        let asked = Atomic::new(0usize);
        let count = 8;

        // Each thread waits until all others have been asked to stop: stopping one after the other
        // would never end.
        scope(|s| -> Result {
            for _ in 0..count {
                ::core::mem::forget(s.spawn(fmt!("together"), |ctx| {
                    until_stopped(ctx);
                    asked.fetch_add(1, Relaxed);
                    while asked.load(Relaxed) < count {
                        kernel::time::delay::fsleep(kernel::time::Delta::from_micros(50));
                    }
                })?);
            }
            Ok(())
        })??;
        Ok(())
    }

    #[test]
    fn what_scoped_threads_leave_is_dropped_once() -> Result {
        for _ in 0..ROUNDS {
            let drops = Atomic::new(0usize);
            let slot = Arc::pin_init(new_mutex!(None::<Waker>), GFP_KERNEL)?;

            scope(|s| -> Result {
                for way in 0..6 {
                    let counted = Counted(&drops);
                    let thread = s.spawn(fmt!("leaves"), move |_| counted)?;

                    match way % 3 {
                        0 => thread.detach(),
                        1 => {
                            while !thread.is_finished() {
                                pause();
                            }
                            thread.detach();
                        }
                        // One after the other, so that each finds that the last one has gone.
                        _ => {
                            while !thread.is_finished() {
                                pause();
                            }
                            ::core::mem::forget(thread);
                        }
                    }
                }
                let own = slot.clone();
                let counted = Counted(&drops);
                let stopper = s.spawn(fmt!("stopper"), |ctx| ctx.wait())?;
                *own.lock() = Some(stopper.waker());
                s.spawn(fmt!("drops-other"), move |_| {
                    drop(stopper);
                    counted
                })?
                .detach();
                Ok(())
            })??;
            assert_eq!(drops.load(Relaxed), 7);
        }
        Ok(())
    }

    #[test]
    fn a_timeout_may_be_as_long_as_it_can() -> Result {
        let done = Completion::new();
        stack_pin_init!(let done = done);
        let done = done.into_ref();

        scope(|s| -> Result {
            let waits = s.spawn(fmt!("patient"), |_| {
                (
                    done.wait_timeout(usize::MAX),
                    done.wait_killable_timeout(usize::MAX),
                    done.wait_interruptible_timeout(usize::MAX),
                )
            })?;

            for _ in 0..3 {
                fsleep(Delta::from_millis(20));
                done.complete();
            }
            assert_eq!(waits.join(), Ok((true, Ok(true), Ok(true))));
            Ok(())
        })?
    }
}
