// SPDX-License-Identifier: GPL-2.0

//! Groups of threads that end when a device is unbound from its driver.
//!
//! C header: [`include/linux/device/devres.h`](srctree/include/linux/device/devres.h)

use super::{
    group::ThreadGroup,
    module::ModuleThreads, //
};
use kernel::{
    bindings,
    device::{
        Bound,
        Device,
        DeviceContext, //
    },
    devres,
    faux,
    prelude::*,
    sync::Arc, //
};

/// Closes a group, when a device is unbound.
struct Closes(Arc<ThreadGroup>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ThreadGroup {
    /// Creates a group whose members have all exited when `dev` is unbound from its driver.
    ///
    /// This uses `devres`: resources that were acquired for `dev` before are still there when the
    /// threads are stopped. The private data of the driver is not, as that is dropped first.
    /// Unbinding [closes](ThreadGroup::close) the group, which may be kept or leaked like any group
    /// of the module. It does not end earlier, even if it is dropped.
    ///
    /// Threads that [`ThreadGroup::close`] leaves alone run on after the device is unbound, until
    /// the module is unloaded: a member that unbinds the device, by dropping its registration; if a
    /// callback of [`PerCpuThreads`](super::PerCpuThreads) does that, all members that have not
    /// ended.
    ///
    /// May sleep. Fails with [`EINVAL`] unless the driver belongs to the module, with [`ENOMEM`],
    /// and with [`ENODEV`] while the module is unloaded. Uses `devm_add_action_or_reset()` of
    /// [`drivers/base/devres.c`](srctree/drivers/base/devres.c).
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::device::{Bound, Device};
    /// # fn f(threads: &'static ModuleThreads, dev: &Device<Bound>) -> Result {
    /// let group = ThreadGroup::for_device(threads, dev)?;
    ///
    /// group.spawn(fmt!("poll"), |ctx| while ctx.wait() != Wake::Stop {})?.detach();
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_device(
        module: &'static ModuleThreads,
        dev: &Device<Bound>,
    ) -> Result<Arc<ThreadGroup>> {
        let raw = core::ptr::from_ref(dev).cast::<bindings::device>();
        // SAFETY: The device is bound, so it has a driver.
        let driver = unsafe { &*(*raw).driver };

        // A device that is bound to the driver of another module, as the parent of an auxiliary
        // device is, may be unbound after this module is gone.
        if !module.owns(driver) {
            return Err(EINVAL);
        }
        Self::end_with(module, dev)
    }

    /// Like [`ThreadGroup::for_device`], for a device that has no driver of its own.
    ///
    /// A leaked device stays bound for ever. Its threads still end with the module.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::faux;
    /// # fn f(threads: &'static ModuleThreads) -> Result {
    /// let device = faux::Registration::new(c"poller", None)?;
    /// let group = ThreadGroup::for_faux(threads, &device)?;
    ///
    /// group.spawn(fmt!("poll"), |ctx| while ctx.wait() != Wake::Stop {})?.detach();
    /// drop(device);
    /// assert!(group.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_faux(
        module: &'static ModuleThreads,
        device: &faux::Registration,
    ) -> Result<Arc<ThreadGroup>> {
        Self::end_with(module, bound(device.as_ref().as_ref()))
    }

    fn end_with(module: &'static ModuleThreads, dev: &Device<Bound>) -> Result<Arc<ThreadGroup>> {
        let group = Arc::new(Self::for_module(module)?, GFP_KERNEL)?;

        devres::register(dev, Closes(group.clone()), GFP_KERNEL)?;
        Ok(group)
    }
}

/// Returns the device of a faux device, which is bound for as long as that is there.
///
/// Linux 7.3 says so by the type.
fn bound<C: DeviceContext>(dev: &Device<C>) -> &Device<Bound> {
    // SAFETY: Nobody can unbind a faux device while it is borrowed. The types differ in their
    // context only, and begin with the C structure.
    unsafe { Device::from_raw(core::ptr::from_ref(dev).cast_mut().cast()) }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_device)]
mod tests {
    use super::super::{
        device::bound,
        kunit::*,
        *, //
    };
    use kernel::{
        faux,
        new_mutex,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        }, //
    };

    fn device() -> Result<faux::Registration> {
        faux::Registration::new(c"kthread-kunit", None)
    }

    #[test]
    fn threads_of_a_device_end_when_it_is_unbound() -> Result {
        with_threads(|threads| {
            let guard = open(threads)?;
            let drops = count()?;
            let device = device()?;
            let group = ThreadGroup::for_faux(threads, &device)?;

            // Its driver is not one of this module.
            if !this_module().as_ptr().is_null() {
                let refused = ThreadGroup::for_device(threads, bound(device.as_ref().as_ref()));

                assert_eq!(refused.err(), Some(EINVAL));
            }
            for _ in 0..3 {
                let counted = Counted(drops.clone());

                group
                    .spawn(fmt!("bound"), move |ctx| {
                        until_stopped(ctx);
                        drop(counted);
                    })?
                    .detach();
            }
            assert_eq!(group.len(), 3);
            drop(device);
            assert_eq!(drops.load(Relaxed), 3);
            assert!(group.is_empty());
            assert_eq!(group.spawn(fmt!("late"), |_| ()).err(), Some(ENODEV));
            drop(guard);
            drop(group);
            Ok(())
        })
    }

    #[test]
    fn a_group_of_a_device_lives_as_long_as_that_is_bound() -> Result {
        with_threads(|threads| {
            let guard = open(threads)?;
            let (runs, drops) = (count()?, count()?);
            let device = device()?;
            let (done, counted) = (runs.clone(), Counted(drops.clone()));
            let waker = {
                let group = ThreadGroup::for_faux(threads, &device)?;
                let thread = group.spawn(fmt!("kept"), move |ctx| {
                    while ctx.wait() != Wake::Stop {
                        done.fetch_add(1, Relaxed);
                    }
                    drop(counted);
                })?;
                let waker = thread.waker();

                thread.detach();
                waker
            };

            // Nobody has the group any more, and its thread goes on.
            for round in 1..4 {
                waker.wake();
                assert!(eventually(|| runs.load(Relaxed) == round));
            }
            drop(device);
            assert_eq!(drops.load(Relaxed), 1);
            // It has left the module, too.
            assert_eq!(threads.len(), Ok(0));
            drop(guard);
            Ok(())
        })
    }

    #[test]
    fn a_member_that_unbinds_its_device_is_left_to_the_module() -> Result {
        with_threads(|threads| {
            let guard = open(threads)?;
            let drops = count()?;
            let slot = Arc::pin_init(new_mutex!(Some(device()?)), GFP_KERNEL)?;
            let group = {
                let device = slot.lock();
                let device = device.as_ref().ok_or(EINVAL)?;

                ThreadGroup::for_faux(threads, device)?
            };
            let counted = Counted(drops.clone());
            group
                .spawn(fmt!("other"), move |ctx| {
                    until_stopped(ctx);
                    drop(counted);
                })?
                .detach();
            let (given, seen, counted) = (slot.clone(), drops.clone(), Counted(drops.clone()));
            let thread = group.spawn(fmt!("unbinds"), move |ctx| {
                let device = given.lock().take();

                drop(device);
                // By now the other one is gone.
                let result = (seen.load(Relaxed), ctx.should_stop());
                drop(counted);
                result
            })?;

            assert_eq!(thread.join(), Ok((1, true)));
            drop(guard);
            assert_eq!(drops.load(Relaxed), 2);
            drop(group);
            Ok(())
        })
    }

    #[test]
    fn a_device_that_is_leaked_ends_with_its_module() -> Result {
        with_threads(|threads| {
            let guard = open(threads)?;
            let drops = count()?;
            let device = device()?;
            let counted = Counted(drops.clone());

            ThreadGroup::for_faux(threads, &device)?
                .spawn(fmt!("leaked"), move |ctx| {
                    until_stopped(ctx);
                    drop(counted);
                })?
                .detach();
            // This acts as if it were leaked: it is still there when the module is unloaded.
            drop(guard);
            assert_eq!(drops.load(Relaxed), 1);
            drop(device);
            Ok(())
        })
    }
}
