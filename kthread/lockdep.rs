// SPDX-License-Identifier: GPL-2.0

//! What lockdep is told about waiting for a thread.
//!
//! To wait for a thread is like taking a lock that the thread holds while it runs. So the thread
//! acquires a map for as long as its closure runs, and whoever waits for it acquires and releases
//! the map before. If the caller holds a lock that the closure takes, lockdep sees the circle the
//! first time that both have happened, deadlock or not. Workqueues do the same.
//!
//! All threads that are made at one place are of one class. Threads of one place that wait for
//! each other do so along some order, or else they would not end, which lockdep cannot know: these
//! waits are not reported to it.
//!
//! So there are limits. Threads of two places that wait for each other in turn, as in a recursion
//! over both, are reported although they may end. And a function that makes threads for others
//! should be `#[track_caller]`, lest all these threads are of one class. To cancel a work, to park,
//! and to stop per-CPU threads are waits that lockdep is not told of.
//!
//! C header: [`include/linux/lockdep.h`](srctree/include/linux/lockdep.h)

pub(super) use imp::*;

/// What is made at a place, and has a class of its own.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// The map of a thread.
    Map = 0,
    /// The lock of a worker.
    Lock = 1,
    /// The timer of a work.
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

    /// A place in the source that makes threads, which names their class.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Site(&'static Location<'static>);

    impl Site {
        /// Returns the caller of the function that calls this, which must be `#[track_caller]`.
        #[track_caller]
        pub(in super::super) fn caller() -> Self {
            Self(Location::caller())
        }

        /// Returns the key of the class of what is made there.
        ///
        /// Lockdep uses the address of a key, and of the seven bytes that follow it, and never what
        /// is there.
        pub(in super::super) fn key(self, what: What) -> *mut bindings::lock_class_key {
            core::ptr::from_ref(self.0)
                .cast_mut()
                .wrapping_byte_add(what as usize * SUBCLASSES)
                .cast()
        }
    }

    /// How many addresses a key stands for.
    const SUBCLASSES: usize = bindings::MAX_LOCKDEP_SUBCLASSES as usize;

    // There is room for the keys of all that is made at one place.
    const _: () =
        assert!(size_of::<Location<'static>>() >= (What::Timer as usize + 1) * SUBCLASSES);

    /// The map of a thread.
    #[pin_data]
    pub(in super::super) struct LockMap {
        #[pin]
        map: Opaque<bindings::lockdep_map>,
    }

    // SAFETY: The map is only read after it has been initialised, by lockdep.
    unsafe impl Send for LockMap {}

    // SAFETY: As above.
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

        /// With `is_trylock`, this does not come after the locks that are held.
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

        /// Calls `f`, which must be called without locks, while the map is held.
        pub(in super::super) fn without(&self, f: impl FnOnce()) {
            self.release();
            f();
            // The closure may hold locks, which did not come before it.
            self.acquire(true);
        }

        /// Says that the current task is about to wait for the thread.
        pub(in super::super) fn wait(&self) {
            if !self.is_own_class() {
                self.acquire(false);
                self.release();
            }
        }

        /// Returns whether the current task is a thread of the same class.
        fn is_own_class(&self) -> bool {
            let task = Task::current_raw();

            // Once lockdep is off, what has been released is not taken out any more, and may be
            // gone.
            //
            // SAFETY: The variable is there since boot.
            if unsafe { atomic_load(&raw mut bindings::debug_locks, Relaxed) } == 0 {
                return true;
            }
            // SAFETY: The map is initialised, and its key does not change.
            let key = unsafe { (*self.map.get()).key };
            // SAFETY: The current task is alive, and these are written by itself alone. What it
            // holds is there.
            unsafe {
                let held = &(*task).held_locks;

                held.iter()
                    .take((*task).lockdep_depth as usize)
                    .any(|held| (*held.instance).key == key)
            }
        }
    }

    /// Says that the map is held, until this is dropped.
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

    /// A place in the source that makes threads.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Site;

    impl Site {
        #[inline(always)]
        pub(in super::super) fn caller() -> Self {
            Self
        }

        /// Returns the key of the class, which nobody looks at.
        pub(in super::super) fn key(self, _: What) -> *mut bindings::lock_class_key {
            core::ptr::null_mut()
        }
    }

    /// Says that the map is held, until this is dropped.
    pub(in super::super) struct Held;

    impl Drop for Held {
        #[inline(always)]
        fn drop(&mut self) {}
    }

    /// The map of a thread, of which there is nothing without lockdep.
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
