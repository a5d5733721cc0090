// SPDX-License-Identifier: GPL-2.0

//! What the allocations of a task may do to find memory.
//!
//! An allocation may write to disks and call file systems to free memory. Code that these wait for
//! must not cause that, not even in functions that it calls. Either the flags are passed down to
//! each allocation, or the task sets them once for all: by a scope, which is a closure here, or by
//! [`Builder::memalloc`] for the lifetime of the thread.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)
//!
//! [`Builder::memalloc`]: super::Builder::memalloc

use kernel::{
    bindings,
    task::Task,
    types::ScopeGuard, //
};

/// A restriction or permission for all allocations of a task.
///
/// See [`memalloc_scope`].
// The names are those of the flags.
#[allow(clippy::enum_variant_names)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memalloc {
    /// No calls into file systems, as `GFP_NOFS`: `PF_MEMALLOC_NOFS`.
    NoFs,
    /// No I/O, as `GFP_NOIO`, and so no calls into file systems: `PF_MEMALLOC_NOIO`.
    NoIo,
    /// No reclaim at all, and access to the memory reserves, as `__GFP_MEMALLOC`: `PF_MEMALLOC`.
    ///
    /// Use this only for code that soon frees more memory than it allocates. The reserves are all
    /// that the system has left: using them up brings it to a halt. Memory that is set aside
    /// beforehand, as in a `mempool`, avoids this.
    NoReclaim,
}

impl Memalloc {
    fn flag(self) -> u32 {
        match self {
            Memalloc::NoFs => bindings::PF_MEMALLOC_NOFS,
            Memalloc::NoIo => bindings::PF_MEMALLOC_NOIO,
            Memalloc::NoReclaim => bindings::PF_MEMALLOC,
        }
    }
}

/// A set of [`Memalloc`].
#[derive(Clone, Copy)]
pub(super) struct Memallocs(u32);

impl Memallocs {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn with(self, memalloc: Memalloc) -> Self {
        Self(self.0 | memalloc.flag())
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Sets these for the current task, and returns those that had not been set.
    ///
    /// Does what `memalloc_flags_save()` does.
    pub(super) fn save(self) -> Self {
        let flags = current_flags();

        // SAFETY: The pointer is to the flags of the current task, which is alive. Only the task
        // writes its flags, and no interrupt leaves them changed. Others may read them at the same
        // time, as in C.
        unsafe {
            let old = flags.read_volatile();

            flags.write_volatile(old | self.0);
            Self(!old & self.0)
        }
    }

    /// Clears the flags that [`Memallocs::save`] has returned.
    ///
    /// Does what `memalloc_flags_restore()` does.
    fn restore(self) {
        let flags = current_flags();

        // SAFETY: The pointer is to the flags of the current task, which only it writes.
        unsafe { flags.write_volatile(flags.read_volatile() & !self.0) };
    }
}

/// Returns a pointer to the flags of the current task.
fn current_flags() -> *mut u32 {
    // SAFETY: The current task is alive.
    unsafe { &raw mut (*Task::current_raw()).flags }
}

/// Calls `f`, and applies `memalloc` to all its allocations.
///
/// This includes the functions that `f` calls, and no other task. Scopes can be nested in any order
/// and depth: the flags of an outer scope still hold when an inner one ends.
///
/// May be called from any context, but with [`Memalloc::NoReclaim`] not in an interrupt, where it
/// has no effect.
///
/// In C two calls that have to match begin and end a scope, such as those in [`memalloc_nofs`].
///
/// # Examples
///
/// ```
/// # fn f(is_journal: bool) -> Result {
/// let what = if is_journal { Memalloc::NoFs } else { Memalloc::NoIo };
/// let buffer = memalloc_scope(what, || KVec::<u8>::with_capacity(512, GFP_KERNEL))?;
///
/// assert!(buffer.capacity() >= 512);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "memalloc_flags_save")]
#[doc(alias = "memalloc_flags_restore")]
pub fn memalloc_scope<R>(memalloc: Memalloc, f: impl FnOnce() -> R) -> R {
    let added = Memallocs::NONE.with(memalloc).save();
    // Either this call returns, or the task is gone.
    let _restore = ScopeGuard::new(|| added.restore());

    f()
}

/// Calls `f`, in which no allocation calls into a file system.
///
/// May be called from any context.
///
/// Does what `memalloc_nofs_save()` and `memalloc_nofs_restore()` of
/// [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h) do, and can be nested.
///
/// # Examples
///
/// ```
/// # use kernel::sync::Mutex;
/// # fn f(log: &Mutex<KVec<u8>>) -> Result {
/// // The file system takes this lock when it frees memory.
/// let mut log = log.lock();
///
/// memalloc_nofs(|| log.push(1, GFP_KERNEL))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "memalloc_nofs_save")]
#[doc(alias = "memalloc_nofs_restore")]
pub fn memalloc_nofs<R>(f: impl FnOnce() -> R) -> R {
    memalloc_scope(Memalloc::NoFs, f)
}

/// Calls `f`, in which no allocation does I/O or calls into a file system.
///
/// May be called from any context.
///
/// Does what `memalloc_noio_save()` and `memalloc_noio_restore()` of
/// [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h) do, and can be nested.
///
/// # Examples
///
/// ```
/// # fn reset() -> Result { Ok(()) }
/// // The disk cannot be written to until it is back.
/// memalloc_noio(reset)?;
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "memalloc_noio_save")]
#[doc(alias = "memalloc_noio_restore")]
pub fn memalloc_noio<R>(f: impl FnOnce() -> R) -> R {
    memalloc_scope(Memalloc::NoIo, f)
}

/// Calls `f`, in which allocations do not reclaim, and may use the memory reserves.
///
/// See [`Memalloc::NoReclaim`] for when that is allowed. Must not be called in an interrupt.
///
/// Does what `memalloc_noreclaim_save()` and `memalloc_noreclaim_restore()` of
/// [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h) do, and can be nested.
///
/// # Examples
///
/// ```
/// # fn write_back(_page: KBox<[u8; 64]>) {}
/// // Writing a page back frees it, and needs a little memory.
/// memalloc_noreclaim(|| -> Result {
///     write_back(KBox::new([0; 64], GFP_KERNEL)?);
///     Ok(())
/// })?;
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "memalloc_noreclaim_save")]
#[doc(alias = "memalloc_noreclaim_restore")]
pub fn memalloc_noreclaim<R>(f: impl FnOnce() -> R) -> R {
    memalloc_scope(Memalloc::NoReclaim, f)
}

#[cfg(kthread_kunit)]
#[kernel::prelude::kunit_tests(rust_kthread_memalloc)]
mod tests {
    use super::{
        super::{
            kunit::*,
            *, //
        },
        *, //
    };
    use kernel::{
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        }, //
    };

    const NOFS: u32 = bindings::PF_MEMALLOC_NOFS;
    const NOIO: u32 = bindings::PF_MEMALLOC_NOIO;
    const NORECLAIM: u32 = bindings::PF_MEMALLOC;

    /// Returns the flags for the allocations of the current task.
    fn said() -> u32 {
        // SAFETY: The current task reads its own flags.
        unsafe { current_flags().read() & (NOFS | NOIO | NORECLAIM) }
    }

    #[test]
    fn a_memalloc_scope_lasts_as_long_as_its_closure() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("scopes"), |_| {
            [
                memalloc_nofs(said),
                memalloc_noio(said),
                memalloc_noreclaim(said),
                memalloc_scope(Memalloc::NoFs, said),
                said(),
            ]
        })?;

        assert_eq!(thread.join(), Ok([NOFS, NOIO, NORECLAIM, NOFS, 0]));
        // The closure may return early, and its value is passed on.
        let early = memalloc_noio(|| -> Result<u32> {
            Err::<(), _>(EAGAIN)?;
            Ok(said())
        });
        assert_eq!(early, Err(EAGAIN));
        assert_eq!(said(), 0);
        Ok(())
    }

    #[test]
    fn memalloc_scopes_nest_and_leave_what_others_have_said() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("nests"), |ctx| {
            let nested = memalloc_noio(|| {
                // The same scope again, within another and after it.
                let inner = memalloc_noio(said);
                let between = said();
                let both = memalloc_nofs(|| (memalloc_noio(said), said()));

                [inner, between, both.0, both.1, said()]
            });
            // Other flags that change in a scope stay as they are.
            let before = seen(ctx.core()).nofreeze;
            // SAFETY: Only the current task writes its flags.
            memalloc_nofs(|| unsafe { *current_flags() &= !bindings::PF_NOFREEZE });
            (nested, said(), before, seen(ctx.core()).nofreeze)
        })?;
        let both = NOFS | NOIO;

        assert_eq!(
            thread.join(),
            Ok(([NOIO, NOIO, both, both, NOIO], 0, true, false))
        );
        Ok(())
    }

    #[test]
    fn a_thread_has_the_memalloc_scope_that_was_chosen() -> Result {
        let group = group()?;
        let look = |_: &Context<'_>| [said(), memalloc_noio(said), said()];
        let new = || Builder::new(fmt!("memalloc"));
        let (reclaim, both) = (NORECLAIM, NOIO | NOFS);

        assert_eq!(new().spawn(&group, look)?.join(), Ok([0, NOIO, 0]));
        assert_eq!(
            new().memalloc(Memalloc::NoFs).spawn(&group, look)?.join(),
            Ok([NOFS, both, NOFS])
        );
        let all = new().memalloc(Memalloc::NoReclaim).memalloc(Memalloc::NoIo);
        let wanted = reclaim | NOIO;
        assert_eq!(all.spawn(&group, look)?.join(), Ok([wanted; 3]));
        Ok(())
    }

    #[test]
    fn percpu_threads_have_no_memalloc_scope_but_their_own() -> Result {
        let group = group()?;
        let refused = Builder::new(fmt!("memalloc"))
            .memalloc(Memalloc::NoFs)
            .spawn_percpu(&group, Never);

        assert_eq!(refused.err(), Some(EINVAL));
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn all_works_of_a_worker_have_its_memalloc_scope() -> Result {
        let group = group()?;
        let worker = Builder::new(fmt!("memalloc"))
            .memalloc(Memalloc::NoIo)
            .spawn_worker(&group)?;
        let right = count()?;

        for _ in 0..3 {
            let right: Arc<_> = right.clone();

            worker.spawn(GFP_KERNEL, move |_| {
                let nested = memalloc_noio(|| memalloc_nofs(said)) == NOIO | NOFS;

                right.fetch_add(usize::from(nested && said() == NOIO), Relaxed);
            })?;
        }
        worker.flush()?;
        assert_eq!(right.load(Relaxed), 3);
        Ok(())
    }
}
