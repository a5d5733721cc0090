// SPDX-License-Identifier: GPL-2.0

//! Groups of threads, which bound the life of their members.

use super::{
    members::Members,
    module::ModuleThreads, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A set of kernel threads that ends before its owner does.
///
/// Threads are created as members of a group. A handle may be dropped, which stops its thread, or
/// [detached](super::Thread::detach) or leaked, which does not; when the group is dropped it stops
/// all members that are left. The memory of a thread is freed when it has returned and nobody has a
/// handle; that of the last one may stay until the next thread returns.
///
/// # Examples
///
/// ```
/// struct Driver {
///     threads: ThreadGroup,
/// }
///
/// impl kernel::Module for Driver {
///     fn init(_module: &'static ThisModule) -> Result<Self> {
///         // SAFETY: The group is a field of the module, which is dropped when that is unloaded.
///         let threads = unsafe { ThreadGroup::new()? };
///         // The handle is not needed: the group stops the thread.
///         threads.spawn(fmt!("worker"), |ctx| while ctx.wait() != Wake::Stop {})?.detach();
///         Ok(Self { threads })
///     }
/// }
/// ```
pub struct ThreadGroup {
    members: Arc<Members>,
    /// The module whose end stops the remaining members, if there is one.
    module: Option<&'static ModuleThreads>,
}

impl ThreadGroup {
    /// Creates a group without members.
    ///
    /// May sleep. Fails with [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// - The group must be dropped before the text of the module that creates its threads is freed.
    ///   In particular, it must not be leaked.
    /// - It must not be dropped by one of its threads. If it contains
    ///   [`PerCpuThreads`](super::PerCpuThreads), no smpboot thread may drop it: the implementation
    ///   cannot tell its own from others.
    ///
    /// A group that is a field of the value that [`kernel::Module::init`] returns satisfies this if
    /// nobody can move it out. For a group in an [`Arc`], which can be leaked, or in an [`Option`]
    /// behind a lock, which can be emptied, the author has to make sure that all code with access
    /// keeps the promise. [`ThreadGroup::for_module`] needs no promise.
    pub unsafe fn new() -> Result<Self> {
        Ok(Self {
            members: Members::new(false)?,
            module: None,
        })
    }

    /// Creates a group without members that ends with its module, even if it is leaked.
    ///
    /// It may be leaked, shared, and dropped by any task. If one of its own threads drops it, that
    /// thread runs on until it returns, or until the module is unloaded. The same holds for a
    /// worker whose own work item drops the group, and for per-CPU threads if one of their
    /// callbacks does.
    ///
    /// May sleep. Fails with [`ENOMEM`], and with [`ENODEV`] while the module is unloaded.
    ///
    /// # Examples
    ///
    /// ```
    /// threaded_module! {
    ///     type: Driver,
    ///     threads: THREADS,
    ///     name: "driver",
    ///     license: "GPL",
    /// }
    ///
    /// struct Driver {
    ///     threads: Arc<ThreadGroup>,
    /// }
    ///
    /// impl kernel::Module for Driver {
    ///     fn init(_module: &'static ThisModule) -> Result<Self> {
    ///         let threads = Arc::new(ThreadGroup::for_module(&THREADS)?, GFP_KERNEL)?;
    ///
    ///         threads.spawn(fmt!("worker"), |ctx| while ctx.wait() != Wake::Stop {})?.detach();
    ///         Ok(Self { threads })
    ///     }
    /// }
    /// ```
    pub fn for_module(module: &'static ModuleThreads) -> Result<Self> {
        let members = Members::new(false)?;

        module.insert(members.clone())?;
        Ok(Self {
            members,
            module: Some(module),
        })
    }

    /// Returns how many members of the group are not gone yet.
    ///
    /// A thread that has died counts, and a set of [`PerCpuThreads`](super::PerCpuThreads) counts
    /// as one.
    ///
    /// Sleeps.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether all members of the group are gone.
    ///
    /// Sleeps.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stops all members, and returns once they are gone.
    ///
    /// All members are asked before the first is waited for, so this takes as long as the slowest.
    /// A member that calls this is asked, but not waited for. A concurrent caller that stopped a
    /// thread may still be dropping its value.
    ///
    /// Sleeps.
    pub fn stop_all(&mut self) {
        self.members.stop_all();
    }

    /// Refuses new members with [`ENODEV`] from now on, and stops all as [`ThreadGroup::stop_all`]
    /// does.
    ///
    /// Use this for a shared group in which others may create threads at the same time: these are
    /// stopped, too. A member that calls this is asked, but not waited for; if the group had been
    /// closed before, a member only asks the others. A callback of
    /// [`PerCpuThreads`](super::PerCpuThreads) waits for nobody either. If a member of each of two
    /// groups closes the other group at the same time, both wait for ever.
    ///
    /// Sleeps.
    pub fn close(&self) {
        self.members.close();
    }

    pub(super) fn members(&self) -> &Arc<Members> {
        &self.members
    }
}

impl Drop for ThreadGroup {
    /// Stops the remaining members, as [`ThreadGroup::stop_all`] does.
    ///
    /// Sleeps.
    fn drop(&mut self) {
        self.stop_all();
        match self.module {
            Some(module) => module.let_go(&self.members),
            // A waker that outlives the group, and may be dropped anywhere, keeps an empty table.
            None => drop(self.members.take_all()),
        }
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_group)]
mod tests {
    use super::super::{
        kunit::*,
        members::Entry,
        *, //
    };
    use kernel::{
        fmt,
        new_mutex,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        }, //
    };

    #[test]
    fn a_group_that_is_stopped_by_a_member_stops_the_others() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let own = group.clone();
        let drops = count()?;
        let (one, other) = (Counted(drops.clone()), Counted(drops.clone()));

        ::core::mem::forget(group.lock().spawn(fmt!("other"), move |ctx| {
            until_stopped(ctx);
            drop(one);
        })?);
        let thread = group.lock().spawn(fmt!("member"), move |ctx| {
            let mut group = own.lock();

            group.stop_all();
            drop(other);
            (group.len(), ctx.should_stop())
        })?;
        assert_eq!(thread.join(), Ok((1, true)));
        assert_eq!(drops.load(Relaxed), 2);
        assert!(group.lock().is_empty());
        Ok(())
    }

    #[test]
    fn a_group_stops_what_was_leaked() -> Result {
        let (runs, drops) = (count()?, count()?);
        let group = group()?;

        for _ in 0..10 {
            let (runs, counted) = (runs.clone(), Counted(drops.clone()));
            ::core::mem::forget(group.spawn(fmt!("leaked"), move |ctx| {
                until_stopped(ctx);
                runs.fetch_add(1, Relaxed);
                drop(counted);
            })?);

            let counted = Counted(drops.clone());
            ::core::mem::forget(
                Builder::new(fmt!("leaked-new")).create(&group, move |_| drop(counted))?,
            );

            let mut parked = group.spawn(fmt!("leaked-parked"), until_stopped)?;
            parked.park()?;
            ::core::mem::forget(parked);
        }
        assert_eq!(group.len(), 30);
        drop(group);
        assert_eq!(runs.load(Relaxed), 10);
        assert_eq!(drops.load(Relaxed), 20);
        Ok(())
    }

    #[test]
    fn a_handle_and_its_group_may_stop_a_thread_at_once() -> Result {
        for _ in 0..ROUNDS / 10 {
            let group = group()?;
            let drops = count()?;
            let counted = Counted(drops.clone());
            let thread = group.spawn(fmt!("stopped-twice"), move |ctx| {
                until_stopped(ctx);
                drop(counted);
            })?;
            // When this thread is stopped, it drops the handle of the other.
            ::core::mem::forget(group.spawn(fmt!("stopper"), move |ctx| {
                until_stopped(ctx);
                drop(thread);
            })?);

            drop(group);
            assert_eq!(drops.load(Relaxed), 1);
        }
        Ok(())
    }

    /// Waits until asked to stop: first by the context, then in sleeps that know nothing of
    /// threads.
    ///
    /// Returns whether the request ended the wait.
    fn wait_in_way(way: usize, ctx: &Context<'_>, never: &Completion) -> bool {
        match way {
            0 => until_stopped(ctx),
            1 => return never.wait_interruptible().is_err(),
            _ => return never.wait_interruptible_timeout(usize::MAX).is_err(),
        }
        true
    }

    const WAYS: usize = 3;

    fn never() -> Result<Arc<Completion>> {
        Arc::pin_init(Completion::new(), GFP_KERNEL)
    }

    #[test]
    fn no_order_of_members_and_no_kind_of_wait_makes_a_difference() -> Result {
        for round in 0..WAYS * 4 {
            let (way, is_first, is_nested) =
                (round % WAYS, round / WAYS % 2 == 0, round / WAYS < 2);
            let group = group()?;
            let (never, asked) = (never()?, count()?);
            let slot = Arc::pin_init(new_mutex!(None::<Thread<()>>), GFP_KERNEL)?;
            let spawn_waiter = || {
                let (never, asked) = (never.clone(), asked.clone());

                group.spawn(fmt!("waits"), move |ctx| {
                    asked.fetch_add(usize::from(wait_in_way(way, ctx, &never)), Relaxed);
                })
            };

            // The group waits for the last of the two first.
            let first = match is_first {
                true => Some(spawn_waiter()?),
                false => None,
            };
            let given = slot.clone();
            let joiner = group.spawn(fmt!("joins"), move |ctx| {
                let mut joined = None;
                let _ = ctx.wait_until(|| {
                    joined = given.lock().take();
                    joined.is_some()
                });
                let Some(joined) = joined else { return };

                if is_nested {
                    let _ = scope(|s| {
                        s.spawn(fmt!("within"), move |_| joined.join())
                            .map(Thread::join)
                    });
                } else {
                    let _ = joined.join();
                }
            })?;
            let waiter = match first {
                Some(thread) => thread,
                None => spawn_waiter()?,
            };
            *slot.lock() = Some(waiter);
            joiner.wake();
            assert!(eventually(|| slot.lock().is_none()));
            joiner.detach();
            drop(group);
            assert_eq!(asked.load(Relaxed), 1);
        }
        Ok(())
    }

    #[test]
    fn a_group_takes_as_long_as_its_slowest_member_in_any_wait() -> Result {
        const MEMBERS: usize = 6;

        let mut group = group()?;
        let never = never()?;
        let (waiting, asked, held) = (count()?, count()?, count()?);

        // Each thread waits until all others have been asked: stopping one after the other would
        // never end.
        for way in 0..MEMBERS {
            let (never, held) = (never.clone(), held.clone());
            let (waiting, asked) = (waiting.clone(), asked.clone());

            group
                .spawn(fmt!("together"), move |ctx| {
                    waiting.fetch_add(1, Relaxed);
                    let was_asked = wait_in_way(way % WAYS, ctx, &never);
                    asked.fetch_add(1, Relaxed);
                    match eventually(|| asked.load(Relaxed) >= MEMBERS) {
                        true => held.fetch_add(usize::from(was_asked), Relaxed),
                        // The others do not have to wait that long.
                        false => asked.fetch_add(MEMBERS, Relaxed),
                    };
                })?
                .detach();
        }
        let worker = Builder::new(fmt!("together")).spawn_worker(&group)?;
        assert!(eventually(|| waiting.load(Relaxed) == MEMBERS));
        group.stop_all();
        assert_eq!(held.load(Relaxed), MEMBERS);
        drop(worker);
        Ok(())
    }

    #[test]
    fn threads_that_nobody_can_join_leave_when_they_return() -> Result {
        let mut group = group()?;
        let drops = count()?;

        for round in 0..ROUNDS {
            let counted = Counted(drops.clone());
            let thread = group.spawn(fmt!("leaves"), move |_| counted)?;

            match round % 3 {
                0 => thread.detach(),
                1 => {
                    // It may have returned, and left its value, by now.
                    while !thread.is_finished() {
                        pause();
                    }
                    thread.detach();
                }
                // Leaking a handle leaks the value that it could still take, and nothing else.
                _ => ::core::mem::forget(thread),
            }
        }
        assert!(eventually(|| group.is_empty()));
        let kept = ROUNDS / 3;
        assert!(eventually(|| drops.load(Relaxed) == ROUNDS - kept));
        group.stop_all();
        assert_eq!(drops.load(Relaxed), ROUNDS - kept);
        Ok(())
    }

    #[test]
    fn who_returns_lets_go_of_those_who_have_gone_before() -> Result {
        let group = group()?;
        let members = &group.members;

        for _ in 0..10 {
            group.spawn(fmt!("leaves"), |_| ())?.detach();
            // Asking the group for its size would free them.
            assert!(eventually(|| members.has_exited()));
            assert_eq!(members.count(), 1);
        }
        // A waker may keep the members when the group is gone.
        let members = members.clone();
        drop(group);
        assert_eq!(members.capacity(), 0);
        Ok(())
    }

    #[test]
    fn a_member_without_a_handle_ends_by_itself_or_with_its_group() -> Result {
        let group = group()?;
        let (runs, drops) = (count()?, count()?);
        let spawn = |name: fmt::Arguments<'_>, waits: bool| {
            let (runs, counted) = (runs.clone(), Counted(drops.clone()));

            Builder::new(name).spawn_member(&group, move |ctx| {
                if !waits || ctx.wait() == Wake::Ready {
                    runs.fetch_add(1, Relaxed);
                }
                drop(counted);
            })
        };

        for _ in 0..100 {
            spawn(fmt!("oneshot"), false)?;
            spawn(fmt!("woken"), true)?.wake();
        }
        assert!(eventually(|| group.is_empty()));
        assert_eq!((runs.load(Relaxed), drops.load(Relaxed)), (200, 200));
        // A thread that cannot be created leaves nothing behind either.
        assert_eq!(spawn(fmt!(""), false).err(), Some(EINVAL));
        assert_eq!(drops.load(Relaxed), 201);
        assert!(group.is_empty());

        let waker = spawn(fmt!("waits"), true)?;
        assert_eq!(group.len(), 1);
        drop(group);
        waker.wake();
        assert_eq!((runs.load(Relaxed), drops.load(Relaxed)), (200, 202));
        Ok(())
    }

    #[test]
    fn a_parked_thread_that_has_been_stopped_is_not_parked() -> Result {
        let mut group = group()?;
        let mut thread = group.spawn(fmt!("parked"), until_stopped)?;
        let mut finished = group.spawn(fmt!("finished"), |_| ())?;

        thread.park()?;
        assert!(eventually(|| finished.is_finished()));
        finished.park()?;
        group.stop_all();
        for thread in [&mut thread, &mut finished] {
            assert!(thread.is_finished() && !thread.is_parked());
            assert_eq!(thread.unpark(), Err(EBUSY));
            assert_eq!(thread.park(), Err(ESRCH));
        }
        assert_eq!(thread.stop(), Ok(()));
        Ok(())
    }

    #[test]
    fn threads_are_parked_while_their_group_is_dropped() -> Result {
        for _ in 0..ROUNDS / 10 {
            let never = never()?;
            let parks = count()?;
            let group = group()?;
            let waited = never.clone();
            let mut parked = group.spawn(fmt!("parked"), move |ctx| {
                // The last park may come when nothing waits for it any more.
                while ctx.wait() != Wake::Stop {}
                let _ = waited.wait_interruptible();
            })?;
            let done = parks.clone();
            let parker = group.spawn(fmt!("parks"), move |_| loop {
                if let Err(error) = parked.park() {
                    return (error, parked.is_parked());
                }
                done.fetch_add(1, Relaxed);
                let _ = parked.unpark();
            })?;

            assert!(eventually(|| parks.load(Relaxed) > 2));
            drop(group);
            assert_eq!(parker.join(), Ok((ESRCH, false)));
        }
        Ok(())
    }

    #[test]
    fn a_member_that_stops_its_group_leaves_it() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let own = group.clone();

        group
            .lock()
            .spawn(fmt!("stops-all"), move |_| own.lock().stop_all())?
            .detach();
        assert!(eventually(|| group.lock().is_empty()));
        Ok(())
    }
}
