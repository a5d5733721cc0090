// SPDX-License-Identifier: GPL-2.0

//! The threads of a module, which end when it is unloaded, even if their groups are leaked.

use super::members::{
    Entry,
    Members, //
};
use core::mem::MaybeUninit;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// Stops all threads of a module when it is unloaded.
///
/// Created by [`threaded_module!`], for [`ThreadGroup::for_module`] and
/// [`ThreadGroup::for_device`].
///
/// # Invariants
///
/// Once `is_open` is set, `groups` is initialised and stays so.
///
/// [`threaded_module!`]: crate::threaded_module
/// [`ThreadGroup::for_module`]: super::ThreadGroup::for_module
/// [`ThreadGroup::for_device`]: super::ThreadGroup::for_device
pub struct ModuleThreads {
    taken: Atomic<bool>,
    is_open: Atomic<bool>,
    groups: Opaque<Members>,
    /// The address of the module.
    module: Atomic<usize>,
}

// SAFETY: `Members` may be used from any task, and nothing else is in `groups`.
unsafe impl Sync for ModuleThreads {}

impl ModuleThreads {
    /// Creates a closed set, which takes no groups yet.
    // A static has no use for `Default`.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        // INVARIANT: `is_open` is not set.
        Self {
            taken: Atomic::new(false),
            is_open: Atomic::new(false),
            groups: Opaque::uninit(),
            module: Atomic::new(0),
        }
    }

    /// Accepts groups until the returned guard is dropped.
    ///
    /// May sleep. Fails with [`EBUSY`] unless this is the first call.
    ///
    /// # Safety
    ///
    /// The guard that the first call returns must be dropped before the text of `module`, which
    /// creates the threads, is freed, and not by one of its threads.
    pub unsafe fn open(&'static self, module: &'static ThisModule) -> Result<ModuleGuard> {
        // ORDERING: proofs/litmus/module-open.litmus
        if self.taken.xchg(true, Relaxed) {
            return Err(EBUSY);
        }
        // SAFETY: The memory is static, and only the caller that has set `taken` gets here, once.
        let place = unsafe { &mut *self.groups.get().cast::<MaybeUninit<Members>>() };

        let _ = place.write_pin_init(Members::of_module());
        self.module.store(module.as_ptr().addr(), Relaxed);
        // INVARIANT: It was just initialised.
        self.is_open.store(true, Release);
        Ok(ModuleGuard(self))
    }

    fn groups(&self) -> Result<&Members> {
        // ORDERING: proofs/litmus/module-open.litmus
        match self.is_open.load(Acquire) {
            // SAFETY: `is_open` is set, so `groups` is initialised by the type invariants. Nobody
            // has a mutable reference.
            true => Ok(unsafe { &*self.groups.get() }),
            false => Err(ENODEV),
        }
    }

    /// Returns the groups, or [`ENODEV`] if the module is being unloaded.
    pub(super) fn insert(&self, group: Arc<Members>) -> Result {
        let groups = self.groups()?;

        // The group has no members yet, and can be stopped at once.
        groups.insert(group).map(drop)?;
        groups.drop_exited();
        Ok(())
    }

    /// Returns whether `driver` is one of the module, by its `owner`.
    pub(super) fn owns(&self, driver: &bindings::device_driver) -> bool {
        // ORDERING: proofs/litmus/module-open.litmus
        driver.owner.addr() == self.module.load(Relaxed)
    }

    /// Returns the number of groups.
    #[cfg(kthread_kunit)]
    pub(super) fn len(&self) -> Result<usize> {
        self.groups().map(Members::count)
    }

    /// Returns for how many groups there is memory.
    #[cfg(kthread_kunit)]
    fn capacity(&self) -> Result<usize> {
        self.groups().map(Members::capacity)
    }

    /// Removes a group that has been stopped, if no thread is left in it.
    ///
    /// A thread that has dropped the group itself can be left. The group is then removed later,
    /// when the next group is added or removed after that thread has exited.
    pub(super) fn let_go(&self, group: &Members) {
        let Ok(groups) = self.groups() else { return };

        if group.count() == 0 {
            // A waker that outlives the group, and may be dropped anywhere, keeps an empty table.
            drop(group.take_all());
            groups.remove(group.place());
        } else {
            groups.leave(group.place(), false);
        }
    }
}

/// Stops all threads of a module when it is dropped.
///
/// See [`ModuleThreads::open`].
#[must_use]
pub struct ModuleGuard(&'static ModuleThreads);

impl Drop for ModuleGuard {
    /// Sleeps.
    fn drop(&mut self) {
        if let Ok(groups) = self.0.groups() {
            groups.close();
            drop(groups.take_all());
        }
    }
}

/// Declares a module whose threads end when it is unloaded, even if safe code leaks their groups.
///
/// It takes the arguments of [`module!`], and after `type` the name of a static variable of type
/// [`ModuleThreads`], which it defines. When the module is unloaded, or fails to load, its value is
/// dropped as usual, and then the members of all groups that were created with that variable are
/// stopped. So the macro keeps the promise that [`ThreadGroup::new`] requires.
///
/// Instead of `type: T` it takes `driver: A` with the adapter of a bus, such as
/// `platform::Adapter<T>`. This declares a module with one driver, as `module_platform_driver!`
/// does.
///
/// # Examples
///
/// ```
/// threaded_module! {
///     driver: platform::Adapter<Driver>,
///     threads: THREADS,
///     name: "driver",
///     license: "GPL",
/// }
///
/// struct Driver;
///
/// impl platform::Driver for Driver {
///     type IdInfo = ();
///     type Data<'bound> = Self;
///
///     fn probe<'bound>(
///         pdev: &'bound platform::Device<Core<'_>>,
///         _info: Option<&'bound ()>,
///     ) -> impl PinInit<Self, Error> + 'bound {
///         let threads = ThreadGroup::for_device(&THREADS, pdev.as_ref())?;
///
///         threads.spawn(fmt!("poll"), |ctx| while ctx.wait() != Wake::Stop {})?.detach();
///         Ok(Driver)
///     }
/// }
/// ```
///
/// [`ModuleThreads`]: crate::kthread::ModuleThreads
/// [`ThreadGroup::new`]: crate::kthread::ThreadGroup::new
#[macro_export]
macro_rules! threaded_module {
    (type: $type:ty, threads: $threads:ident, $($rest:tt)*) => {
        static $threads: $crate::kthread::ModuleThreads = $crate::kthread::ModuleThreads::new();

        #[::kernel::prelude::pin_data]
        struct ThreadedModule {
            // Dropped first, with its groups.
            #[pin]
            _module: $type,
            _threads: $crate::kthread::ModuleGuard,
        }

        impl ::kernel::InPlaceModule for ThreadedModule {
            fn init(
                module: &'static ::kernel::ThisModule,
            ) -> impl ::pin_init::PinInit<Self, ::kernel::error::Error> {
                let threads: &'static $crate::kthread::ModuleThreads = &$threads;

                ::kernel::try_pin_init!(Self {
                    // SAFETY: The first call is that of `module!`, as no other safe code of the
                    // module runs earlier. It keeps the value where no other code can access it,
                    // and drops it before the module's text is freed, in a task that loads or
                    // unloads the module.
                    _threads: unsafe { threads.open(module)? },
                    _module <- <$type as ::kernel::InPlaceModule>::init(module),
                })
            }
        }

        ::kernel::prelude::module! {
            type: ThreadedModule,
            $($rest)*
        }
    };
    (driver: $adapter:ty, threads: $threads:ident, $($rest:tt)*) => {
        #[::kernel::prelude::pin_data]
        struct DriverModule {
            #[pin]
            _driver: ::kernel::driver::Registration<$adapter>,
        }

        impl ::kernel::InPlaceModule for DriverModule {
            fn init(
                module: &'static ::kernel::ThisModule,
            ) -> impl ::pin_init::PinInit<Self, ::kernel::error::Error> {
                ::kernel::try_pin_init!(Self {
                    _driver <- ::kernel::driver::Registration::new(
                        <LocalModule as ::kernel::ModuleMetadata>::NAME,
                        module,
                    ),
                })
            }
        }

        $crate::threaded_module! {
            type: DriverModule,
            threads: $threads,
            $($rest)*
        }
    };
}
pub use threaded_module;

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_module)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use ::core::mem::forget;
    use kernel::{
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc,
            Completion, //
        }, //
    };

    #[test]
    fn a_module_takes_groups_from_when_it_opens_once() -> Result {
        with_threads(|threads| {
            assert_eq!(ThreadGroup::for_module(threads).err(), Some(ENODEV));
            let guard = open(threads)?;
            assert_eq!(open(threads).err(), Some(EBUSY));
            let group = ThreadGroup::for_module(threads)?;
            drop(guard);
            assert_eq!(ThreadGroup::for_module(threads).err(), Some(ENODEV));
            // It is closed, too.
            assert_eq!(group.spawn(fmt!("late"), |_| ()).err(), Some(ENODEV));
            assert_eq!(open(threads).err(), Some(EBUSY));
            Ok(())
        })
    }

    #[test]
    fn a_module_stops_what_its_groups_have_left() -> Result {
        with_threads(|threads| {
            let drops = count()?;
            let guard = open(threads)?;
            let spawn = |group: &ThreadGroup| {
                let counted = Counted(drops.clone());

                group.spawn(fmt!("left"), move |ctx| {
                    until_stopped(ctx);
                    drop(counted);
                })
            };

            // A thread whose group is leaked, one whose group owns itself, and one whose group is
            // kept.
            let leaked = ThreadGroup::for_module(threads)?;
            spawn(&leaked)?.detach();
            forget(spawn(&leaked)?);
            forget(leaked);
            let own = Arc::new(ThreadGroup::for_module(threads)?, GFP_KERNEL)?;
            let (in_own, counted) = (own.clone(), Counted(drops.clone()));
            own.spawn(fmt!("own"), move |ctx| {
                until_stopped(ctx);
                drop((counted, in_own.spawn(fmt!("late"), |_| ()).is_ok()));
            })?
            .detach();
            forget(own);
            let kept = ThreadGroup::for_module(threads)?;
            let thread = spawn(&kept)?;
            let worker = Builder::new(fmt!("left")).spawn_worker(&kept)?;
            let ended = ThreadGroup::for_module(threads)?;
            spawn(&ended)?.detach();
            drop(ended);
            assert_eq!(drops.load(Relaxed), 1);

            drop(guard);
            assert_eq!(drops.load(Relaxed), 5);
            assert_eq!(threads.len(), Ok(0));
            // The set is static, so nothing frees it later.
            assert_eq!(threads.capacity(), Ok(0));
            assert!(thread.is_finished());
            assert_eq!(spawn(&kept).err(), Some(ENODEV));
            assert_eq!(drops.load(Relaxed), 6);
            drop((worker, thread, kept));
            Ok(())
        })
    }

    #[test]
    fn a_group_of_a_module_keeps_nothing_of_who_returns() -> Result {
        with_threads(|threads| {
            let guard = open(threads)?;
            let group = ThreadGroup::for_module(threads)?;
            let members = group.members().clone();
            let thread = group.spawn(fmt!("value"), |_| 1)?;

            // The handle keeps the value, and the group does not wait for someone to take it.
            assert!(eventually(|| group.is_empty()));
            assert_eq!(thread.join(), Ok(1));
            drop(group);
            assert_eq!(members.capacity(), 0);
            drop(guard);
            Ok(())
        })
    }

    #[test]
    fn a_module_asks_all_groups_before_it_waits_for_one() -> Result {
        with_threads(|threads| {
            let guard = open(threads)?;
            let (first, second) = (
                ThreadGroup::for_module(threads)?,
                ThreadGroup::for_module(threads)?,
            );

            // Whichever group is waited for first, one of its threads needs one of the other.
            for (waiting, other) in [(&first, &second), (&second, &first)] {
                let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
                let told = done.clone();

                waiting
                    .spawn(fmt!("waits"), move |_| done.wait_for_completion())?
                    .detach();
                other
                    .spawn(fmt!("tells"), move |ctx| {
                        until_stopped(ctx);
                        told.complete_all();
                    })?
                    .detach();
            }
            drop(guard);
            Ok(())
        })
    }

    #[test]
    fn a_module_waits_for_who_has_dropped_the_group_it_is_in() -> Result {
        with_threads(|threads| {
            let (dropped, closing, drops) = (count()?, count()?, count()?);
            let guard = open(threads)?;

            for goes_on in [false, true] {
                let group = Arc::new(ThreadGroup::for_module(threads)?, GFP_KERNEL)?;
                let members = group.members().clone();
                let counted = Counted(drops.clone());
                group
                    .spawn(fmt!("other"), move |ctx| {
                        until_stopped(ctx);
                        drop(counted);
                    })?
                    .detach();

                let (own, counted) = (group.clone(), Counted(drops.clone()));
                let (seen, done, closing) = (drops.clone(), dropped.clone(), closing.clone());
                let waker = Builder::new(fmt!("drops-own")).spawn_member(&group, move |ctx| {
                    // The other reference is gone by then.
                    let is_last = ctx.wait() == Wake::Ready;
                    let before = seen.load(Relaxed);
                    drop(own);
                    let stopped = seen.load(Relaxed) - before;
                    done.fetch_add(usize::from(is_last) * stopped, Relaxed);
                    while goes_on && closing.load(Relaxed) == 0 {
                        pause();
                    }
                    for _ in 0..50 {
                        pause();
                    }
                    drop(counted);
                })?;
                drop(group);
                waker.wake();
                let rounds = 1 + usize::from(goes_on);
                assert!(eventually(|| dropped.load(Relaxed) == rounds));
                if !goes_on {
                    assert!(eventually(|| drops.load(Relaxed) == 2));
                    // Adding the next group removes it.
                    assert!(eventually(|| {
                        drop(ThreadGroup::for_module(threads));
                        threads.len() == Ok(0)
                    }));
                    // The two do not keep each other either.
                    assert_eq!(members.count(), 0);
                }
            }
            closing.store(1, Relaxed);
            drop(guard);
            assert_eq!(drops.load(Relaxed), 4);
            Ok(())
        })
    }

    #[test]
    fn a_closed_group_refuses_what_is_new() -> Result {
        let group = group()?;
        let (drops, refused) = (count()?, count()?);
        let counted = || Counted(drops.clone());

        group.spawn(fmt!("closed"), until_stopped)?.detach();
        group.close();
        assert!(group.is_empty());
        let late = counted();
        assert_eq!(
            group.spawn(fmt!("late"), move |_| drop(late)).err(),
            Some(ENODEV)
        );
        let late = counted();
        let builder = Builder::new(fmt!("late"));
        assert_eq!(
            builder.create(&group, move |_| drop(late)).err(),
            Some(ENODEV)
        );
        let late = counted();
        assert_eq!(
            builder.spawn_member(&group, move |_| drop(late)).err(),
            Some(ENODEV)
        );
        assert_eq!(builder.spawn_worker(&group).err(), Some(ENODEV));
        assert_eq!(
            PerCpuThreads::register(&group, fmt!("late"), Never).err(),
            Some(ENODEV)
        );
        assert_eq!(drops.load(Relaxed), 3);
        // Nothing was taken that another group could need.
        let next = super::super::kunit::group()?;
        drop(PerCpuThreads::register(&next, fmt!("next"), Never)?);
        drop(next);

        // Threads that are created at the same time are either stopped or refused.
        for _ in 0..ROUNDS / 20 {
            let group = Arc::new(super::super::kunit::group()?, GFP_KERNEL)?;
            let other = super::super::kunit::group()?;
            let (into, refused) = (group.clone(), refused.clone());
            let cpus = all_cpus()?;
            let creator = other.spawn(fmt!("creator"), move |_| {
                let builder = Builder::new(fmt!("raced"));
                let placed = builder.clone().placement(Placement::Cpus(&cpus));

                // A worker is stopped by its drop, or earlier by the group.
                while let (Ok(()), Ok(_)) = (
                    placed.spawn(&into, until_stopped).map(Thread::detach),
                    builder.spawn_worker(&into),
                ) {}
                refused.fetch_add(1, Relaxed);
            })?;

            assert!(eventually(|| !group.is_empty()));
            group.close();
            assert!(group.is_empty());
            assert_eq!(creator.join(), Ok(()));
            assert!(group.is_empty());
        }
        assert_eq!(refused.load(Relaxed), ROUNDS / 20);
        Ok(())
    }
    #[test]
    fn members_that_close_their_group_at_once_do_not_wait_for_each_other() -> Result {
        for _ in 0..ROUNDS / 20 {
            let group = Arc::new(group()?, GFP_KERNEL)?;
            let began = count()?;

            for _ in 0..3 {
                let (own, began) = (group.clone(), began.clone());

                group
                    .spawn(fmt!("closes"), move |_| {
                        began.fetch_add(1, Relaxed);
                        let _ = eventually(|| began.load(Relaxed) == 3);
                        own.close();
                    })?
                    .detach();
            }
            assert!(eventually(|| began.load(Relaxed) == 3));
            group.close();
            assert!(group.is_empty());
        }
        Ok(())
    }
}
