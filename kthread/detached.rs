// SPDX-License-Identifier: GPL-2.0

//! Threads that hold their module, and that nobody stops or joins.

use super::{
    context::Context,
    core::{
        Core,
        Kind,
        Member, //
    },
    lockdep::Site,
    packet::{
        self,
        Birth,
        Packet,
        Returns, //
    }, //
};
use core::mem::ManuallyDrop;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            Relaxed, //
        },
        Arc, //
    },
    task::Task,
    types::ScopeGuard, //
};

/// A reference to a module, which keeps it from being unloaded.
///
/// # Invariants
///
/// The pointer is null, for code that is built into the kernel, or points to a module of which a
/// reference is held.
pub(super) struct ModuleRef(*mut bindings::module);

// SAFETY: References to a module are counted, and any task may take or put them.
unsafe impl Send for ModuleRef {}

impl ModuleRef {
    /// Takes a reference, which fails with [`EBUSY`] while the module is being loaded, and with
    /// [`ENOENT`] when it is being unloaded.
    pub(super) fn get(module: &'static ThisModule) -> Result<Self> {
        let module = module.as_ptr();

        if !module.is_null() {
            // SAFETY: A module whose code runs has a valid `struct module`. The state may change
            // during the read, as it may for C's own readers.
            let state = unsafe { atomic_load(&raw mut (*module).state, Relaxed) };

            // A module whose init fails is freed even if there are references: see
            // `do_init_module()`.
            if state == bindings::module_state_MODULE_STATE_COMING {
                return Err(EBUSY);
            }
        }
        // SAFETY: `module` is null or points to a valid module, whose code runs.
        if !unsafe { bindings::try_module_get(module) } {
            return Err(ENOENT);
        }
        // INVARIANT: A reference was just taken.
        Ok(Self(module))
    }

    fn into_raw(self) -> *mut bindings::module {
        let module = self.0;

        core::mem::forget(self);
        module
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariants there is a reference to put.
        unsafe { bindings::module_put(self.0) };
    }
}

/// The contents of a detached thread, which from the beginning has its module in place of a value.
type DetachedPacket<F> = Packet<F, ModuleRef>;

/// A thread that nobody will stop or join, before it is started.
///
/// # Invariants
///
/// The task has never been woken, and a reference to `packet` waits for it.
pub(super) struct Detached<F: Send> {
    packet: Arc<DetachedPacket<F>>,
}

/// Drops what the thread would have used if it had run.
///
/// # Safety
///
/// No task may have run, or run later, and this must be called once.
unsafe fn drop_unused<F: Send>(packet: &DetachedPacket<F>) {
    // SAFETY: The caller guarantees that no task takes the closure, and that this is called once.
    unsafe { packet.drop_closure() };
    // SAFETY: The caller guarantees that no task takes the value, and that this is called once.
    // `Detached::create` has stored the module.
    unsafe { packet.drop_value() };
}

impl<F: Send> Detached<F> {
    pub(super) fn task(&self) -> &Task {
        self.packet.core.task()
    }
}

impl<F> Detached<F>
where
    F: FnOnce(&Context<'_>) + Send + 'static,
{
    /// Creates a thread that will run `closure` and keeps `module` until that has returned.
    ///
    /// On failure `closure` has been dropped, and nothing is left behind.
    pub(super) fn create(
        module: ModuleRef,
        birth: &Birth<'_>,
        site: Site,
        closure: F,
    ) -> Result<Self> {
        let kind = const {
            &Kind {
                run: run::<F>,
                own: packet::own::<F, ModuleRef>,
            }
        };
        // SAFETY: `run` and `own` expect the `core` of such a packet.
        let core = unsafe { Core::new(None, *birth.options, site, kind) };
        // SAFETY: `run` and `own` expect the `core` of such a packet, as above.
        let packet = Arc::pin_init(
            unsafe { Packet::<F, ModuleRef>::new(core, closure) },
            GFP_KERNEL,
        )?;
        // SAFETY: Nobody else has the packet, and there is no value yet.
        unsafe { packet.put_value(module) };
        let unused = ScopeGuard::new_with_data(packet, |packet| {
            // SAFETY: There is no task.
            unsafe { drop_unused(&packet) }
        });

        // SAFETY: The packet stays where it is, because the task gets a reference below.
        unsafe { birth.create(&unused.core)? };
        let packet = unused.dismiss();
        core::mem::forget(packet.clone());
        // INVARIANT: The task has just been created, and the reference above waits for it.
        Ok(Self { packet })
    }

    /// Wakes the thread for the first time, and gives up control of it.
    pub(super) fn start(self) -> Arc<dyn Member> {
        // The thread ends by itself from here on.
        let this = ManuallyDrop::new(self);

        // SAFETY: `this` is neither used again nor dropped.
        let packet = unsafe { core::ptr::read(&raw const this.packet) };
        packet.core.start();
        packet
    }
}

impl<F: Send> Drop for Detached<F> {
    /// Ends a thread that has not been started.
    fn drop(&mut self) {
        // SAFETY: `packet` holds a reference to the task, which has never been woken, so nobody has
        // stopped it.
        unsafe { bindings::kthread_stop(self.task().as_ptr()) };
        // SAFETY: The task has exited without having entered.
        unsafe { drop_unused(&self.packet) };
        // SAFETY: By the type invariants there is a reference that was meant for the task.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.packet)) });
    }
}

/// What a detached thread runs.
///
/// # Safety
///
/// Must only be called by a task that [`Detached::create`] made, with the pointer that it is given.
unsafe fn run<F>(core: *const Core) -> c_int
where
    F: FnOnce(&Context<'_>) + Send + 'static,
{
    let module = {
        // SAFETY: The caller guarantees that `core` is the first field of such a packet, and that
        // there is a reference for this task.
        let packet = unsafe { Arc::from_raw(core.cast::<DetachedPacket<F>>()) };
        let core = &packet.core;

        core.enter();
        // SAFETY: This is the task of `core`, which uses no address space yet, and the context does
        // not leave this block.
        let context = unsafe { Context::new(core) };
        let held = core.map.hold();
        // SAFETY: By the invariants of `Packet`, `closure` is this task's, once.
        unsafe { (packet.take_closure())(&context) };
        drop(held);
        core.done();
        // SAFETY: `Detached::create` has stored the module, for this.
        unsafe { packet.take_value() }.into_raw()
    };

    // SAFETY: All values of this function are gone, so not returning leaks nothing. The reference
    // to the module was given up above, and this thread runs no more code of the module once it has
    // been put.
    #[cfg(CONFIG_MODULES)]
    unsafe {
        bindings::__module_put_and_kthread_exit(module, 0)
    }
    #[cfg(not(CONFIG_MODULES))]
    // SAFETY: All values of this function are gone, as above, and there is no module.
    unsafe {
        let _ = module;
        bindings::do_exit(0)
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_detached)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        fmt,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        }, //
    };

    fn references() -> c_int {
        match this_module().as_ptr() {
            module if module.is_null() => 0,
            // SAFETY: This is the module of the code that is running.
            #[cfg(CONFIG_MODULE_UNLOAD)]
            module => unsafe { bindings::module_refcount(module) },
            #[cfg(not(CONFIG_MODULE_UNLOAD))]
            _ => 0,
        }
    }

    #[test]
    fn a_detached_thread_holds_its_module_until_it_is_gone() -> Result {
        let before = references();
        let ran = Arc::pin_init(Completion::new(), GFP_KERNEL)?;

        for _ in 0..200 {
            let done = ran.clone();
            let waker =
                Builder::new(fmt!("detached")).spawn_detached(this_module(), move |ctx| {
                    if ctx.wait() == Wake::Ready {
                        done.complete();
                    }
                })?;

            if cfg!(MODULE) {
                assert!(references() > before);
            }
            waker.wake();
            ran.wait_for_completion();
        }
        // It has been dropped by the thread, whose end nobody can wait for.
        assert!(eventually(|| references() == before));
        Ok(())
    }

    #[test]
    fn a_detached_thread_gets_what_its_builder_says() -> Result {
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let nice = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let (ended, own) = (done.clone(), nice.clone());

        Builder::new(fmt!("nice"))
            .policy(Policy::Normal { nice: 7 })
            .spawn_detached(this_module(), move |ctx| {
                own.store(seen(ctx.core()).nice, Relaxed);
                ended.complete();
            })?;
        done.wait_for_completion();
        assert_eq!(nice.load(Relaxed), 7);
        assert_eq!(
            Builder::new(fmt!("parks"))
                .parks_itself()
                .spawn_detached(this_module(), |_| ())
                .err(),
            Some(EINVAL)
        );
        Ok(())
    }

    #[test]
    fn a_detached_thread_that_can_not_be_made_leaves_nothing_behind() -> Result {
        let before = references();
        let marker = Arc::new((), GFP_KERNEL)?;
        let spawn = |name: fmt::Arguments<'_>, placement| {
            let held = marker.clone();

            Builder::new(name)
                .placement(placement)
                .spawn_detached(this_module(), move |_| drop(held))
                .map(drop)
        };

        assert_eq!(spawn(fmt!(""), Placement::Anywhere), Err(EINVAL));
        assert_eq!(spawn(fmt!("node"), Placement::Node(u32::MAX)), Err(ENODEV));
        // Here there is a task already.
        let none = cpus([])?;
        assert_eq!(spawn(fmt!("cpus"), Placement::Cpus(&none)), Err(EINVAL));
        assert_eq!(references(), before);
        // No clone of it is left.
        assert!(Arc::into_unique_or_drop(marker).is_some());
        Ok(())
    }

    #[test]
    fn a_module_that_comes_or_goes_can_not_be_held() -> Result {
        let mut fake = KBox::new(
            // SAFETY: A C structure for which all zeroes is a value.
            unsafe { ::core::mem::zeroed::<bindings::module>() },
            GFP_KERNEL,
        )?;

        for (state, error) in [
            (bindings::module_state_MODULE_STATE_COMING, EBUSY),
            (bindings::module_state_MODULE_STATE_GOING, ENOENT),
        ] {
            fake.state = state;
            // SAFETY: This is no real module, but only its state and count are read, and no thread
            // is created.
            let module = unsafe { ThisModule::from_ptr(&raw mut *fake) };
            // SAFETY: `module` lives until the end of this function, longer than this reference.
            let module = unsafe { &*::core::ptr::from_ref(&module) };
            let spawned = Builder::new(fmt!("never")).spawn_detached(module, |_| ());

            assert_eq!(spawned.err(), Some(error));
        }
        Ok(())
    }
}
