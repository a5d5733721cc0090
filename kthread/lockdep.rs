// SPDX-License-Identifier: GPL-2.0

//! Annotations for lockdep about waiting for a thread.
//!
//! Waiting for a thread is like taking a lock that the thread holds while it runs. So the thread
//! holds a map while its closure runs, and a waiter acquires and releases the map before it waits.
//! If the waiter holds a lock that the closure takes, lockdep sees the cycle once both have
//! happened, even without a deadlock. Workqueues do the same.
//!
//! All threads created at one place in the source have the same class. If they wait for each other,
//! they do so in some order, or they would not end. Lockdep cannot know that order, so it is not
//! told of such waits.
//!
//! This has limits. Threads of two places that wait for each other in turn, as in a recursion over
//! both, are reported although they may end. A function that creates threads for others should be
//! `#[track_caller]`, or all these threads have one class. Lockdep is not told of cancelling a work
//! item, of parking, or of stopping per-CPU threads.
//!
//! C header: [`include/linux/lockdep.h`](srctree/include/linux/lockdep.h)

pub(super) use imp::*;

/// The kinds of objects created at a place, each with its own class.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// The map of a thread.
    Map = 0,
    /// The lock of a worker.
    Lock = 1,
    /// The timer of a work item.
    Timer = 2,
}

#[cfg(CONFIG_LOCKDEP)]
mod imp {
    use super::What;
    use core::panic::Location;
    use kernel::{
        bindings,
        prelude::*,
        sync::atomic::{
            atomic_load,
            Relaxed, //
        },
        task::Task,
        types::Opaque, //
    };

    /// A place in the source that creates threads, which names their class.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Site(&'static Location<'static>);

    impl Site {
        /// Returns the caller of the function that calls this, which must be `#[track_caller]`.
        #[track_caller]
        pub(in super::super) fn caller() -> Self {
            Self(Location::caller())
        }

        /// Returns the key of the class of the objects created there.
        ///
        /// Lockdep uses the address of a key, and of the seven bytes that follow it, and never
        /// reads them.
        pub(in super::super) fn key(self, what: What) -> *mut bindings::lock_class_key {
            core::ptr::from_ref(self.0)
                .cast_mut()
                .wrapping_byte_add(what as usize * SUBCLASSES)
                .cast()
        }
    }

    /// How many addresses a key covers.
    const SUBCLASSES: usize = bindings::MAX_LOCKDEP_SUBCLASSES as usize;

    // A `Location` has room for the keys of all kinds.
    const _: () =
        assert!(size_of::<Location<'static>>() >= (What::Timer as usize + 1) * SUBCLASSES);

    /// The map of a thread.
    #[pin_data]
    pub(in super::super) struct LockMap {
        #[pin]
        map: Opaque<bindings::lockdep_map>,
    }

    // SAFETY: After initialisation only lockdep accesses the map.
    unsafe impl Send for LockMap {}

    // SAFETY: After initialisation only lockdep accesses the map.
    unsafe impl Sync for LockMap {}

    impl LockMap {
        pub(in super::super) fn new(site: Site) -> impl PinInit<Self> {
            pin_init!(Self {
                map <- Opaque::ffi_init(move |slot| {
                    // SAFETY: `slot` is valid for writes, and pinned from here on. Name and key are
                    // static memory of this module.
                    unsafe {
                        bindings::lockdep_init_map_type(
                            slot,
                            NAME.as_char_ptr(),
                            site.key(What::Map),
                            0,
                            bindings::lockdep_wait_type_LD_WAIT_INV as u8,
                            bindings::lockdep_wait_type_LD_WAIT_INV as u8,
                            bindings::lockdep_lock_type_LD_LOCK_NORMAL as u8,
                        )
                    }
                }),
            })
        }

        /// With `is_trylock`, lockdep records no dependency on the locks that are held.
        fn acquire(&self, is_trylock: bool) {
            // SAFETY: The map is initialised.
            unsafe {
                bindings::lock_acquire(
                    self.map.get(),
                    0,
                    c_int::from(is_trylock),
                    0,
                    1,
                    core::ptr::null_mut(),
                    Self::acquire as fn(&Self, bool) as usize,
                )
            };
        }

        fn release(&self) {
            // SAFETY: The map is initialised, and has been acquired by the current task.
            unsafe { bindings::lock_release(self.map.get(), Self::release as fn(&Self) as usize) };
        }

        /// Holds the map while the closure of the thread runs.
        pub(in super::super) fn hold(&self) -> Held<'_> {
            self.acquire(false);
            Held(self)
        }

        /// Calls `f` with the map held.
        ///
        /// The caller must hold no locks.
        pub(in super::super) fn without(&self, f: impl FnOnce()) {
            self.release();
            f();
            // The closure may hold locks, which are no dependencies of the map.
            self.acquire(true);
        }

        /// Tells lockdep that the current task is about to wait for the thread.
        pub(in super::super) fn wait(&self) {
            if !self.is_own_class() {
                self.acquire(false);
                self.release();
            }
        }

        /// Returns whether the current task is a thread of the same class.
        fn is_own_class(&self) -> bool {
            let task = Task::current_raw();

            // Once lockdep is off, released locks stay on the list, and may have been freed.
            //
            // SAFETY: The variable exists since boot.
            if unsafe { atomic_load(&raw mut bindings::debug_locks, Relaxed) } == 0 {
                return true;
            }
            // SAFETY: The map is initialised, and its key does not change.
            let key = unsafe { (*self.map.get()).key };
            // SAFETY: The current task is alive, and only it writes these. The locks that it holds
            // are valid.
            unsafe {
                let held = &(*task).held_locks;

                held.iter()
                    .take((*task).lockdep_depth as usize)
                    .any(|held| (*held.instance).key == key)
            }
        }
    }

    /// Tells lockdep that the map is held, until this is dropped.
    pub(in super::super) struct Held<'a>(&'a LockMap);

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.release();
        }
    }

    static NAME: &CStr = c"(kthread)";
}

#[cfg(not(CONFIG_LOCKDEP))]
mod imp {
    use super::What;
    use kernel::{
        bindings,
        prelude::*, //
    };

    /// A place in the source that creates threads.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Site;

    impl Site {
        #[inline(always)]
        pub(in super::super) fn caller() -> Self {
            Self
        }

        /// Returns the key of the class, which nobody uses.
        pub(in super::super) fn key(self, _: What) -> *mut bindings::lock_class_key {
            core::ptr::null_mut()
        }
    }

    /// Would tell lockdep that the map is held, until this is dropped.
    pub(in super::super) struct Held;

    impl Drop for Held {
        #[inline(always)]
        fn drop(&mut self) {}
    }

    /// The map of a thread, which is empty without lockdep.
    pub(in super::super) struct LockMap;

    impl LockMap {
        #[inline(always)]
        pub(in super::super) fn new(site: Site) -> impl PinInit<Self> {
            site.key(What::Map);
            Self
        }

        #[inline(always)]
        pub(in super::super) fn hold(&self) -> Held {
            Held
        }

        #[inline(always)]
        pub(in super::super) fn without(&self, f: impl FnOnce()) {
            f();
        }

        #[inline(always)]
        pub(in super::super) fn wait(&self) {}
    }
}
