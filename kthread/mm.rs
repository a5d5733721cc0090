// SPDX-License-Identifier: GPL-2.0

//! Threads that work on the address space of a process.

use super::context::{
    Context,
    UsesMm, //
};
use kernel::{
    bindings,
    mm::MmWithUser,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            atomic_load,
            Relaxed, //
        },
    },
    task::{
        might_sleep,
        Task, //
    }, //
};

/// Calls `f` while the current task uses `mm` for its address space.
///
/// Sleeps.
///
/// # Safety
///
/// The current task must be a kernel thread that uses none. Neither `f` nor what it calls may
/// change that, nor have a reference to the current task from before, or leave one behind.
unsafe fn with_mm<R>(mm: &MmWithUser, f: impl FnOnce() -> R) -> R {
    might_sleep();

    // If the task dies in `f`, `exit_mm()` puts a reference to the users of the address space that
    // `kthread_use_mm()` does not take: this one, which is leaked by dying.
    let own = ARef::from(mm);

    // SAFETY: By the requirements of this function. `own` keeps `mm_users` from becoming zero until
    // after the call below.
    unsafe { bindings::kthread_use_mm(mm.as_raw()) };
    let result = f();

    // SAFETY: The current task is a kernel thread that uses `mm`, as set above.
    unsafe { bindings::kthread_unuse_mm(mm.as_raw()) };
    drop(own);
    result
}

/// Calls `f` while the current task, a kernel thread, uses `mm` for its address space.
///
/// This is for kernel threads that have no [`Context`]: those of a workqueue or an interrupt, and
/// [`PerCpuThreads`](super::PerCpuThreads). All that [`Context::use_mm`] says of `f` holds here,
/// but that it gets no context.
///
/// Sleeps: must not be called with interrupts off, which this would switch on. Fails with
/// [`EINVAL`], and drops `f`, if the caller is no kernel thread, or uses an address space already,
/// be it by this or otherwise.
///
/// Wraps `kthread_use_mm()` and `kthread_unuse_mm()` of
/// [`kernel/kthread.c`](srctree/kernel/kthread.c).
///
/// # Examples
///
/// A work of a workqueue that answers a process in its memory:
///
/// ```
/// use kernel::workqueue::{self, impl_has_work, new_work, WorkItem};
///
/// #[pin_data]
/// struct Answer {
///     mm: ARef<MmWithUser>,
///     addr: usize,
///     #[pin]
///     work: workqueue::Work<Answer>,
/// }
///
/// impl_has_work! { impl HasWork<Self> for Answer { self.work } }
///
/// impl WorkItem for Answer {
///     type Pointer = Arc<Answer>;
///
///     fn run(this: Arc<Answer>) {
///         let written = kthread::use_mm(&this.mm, || {
///             UserSlice::new(UserPtr::from_addr(this.addr), 4).writer().write(&42u32)
///         });
///         if written != Ok(Ok(())) {
///             pr_warn!("not answered\n");
///         }
///     }
/// }
///
/// # fn f(mm: ARef<MmWithUser>, addr: usize) -> Result {
/// let answer = Arc::pin_init(
///     pin_init!(Answer {
///         mm,
///         addr,
///         work <- new_work!("Answer::work"),
///     }),
///     GFP_KERNEL,
/// )?;
///
/// let _ = workqueue::system().enqueue(answer);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "kthread_use_mm")]
#[doc(alias = "kthread_unuse_mm")]
pub fn use_mm<R: Send>(mm: &MmWithUser, f: impl FnOnce() -> R + Send) -> Result<R> {
    let task = Task::current_raw();
    // SAFETY: The current task is alive. Others may look at both fields, and only it changes them.
    let (flags, own) = unsafe {
        (
            atomic_load(&raw mut (*task).flags, Relaxed),
            atomic_load(&raw mut (*task).mm, Relaxed),
        )
    };

    if flags & bindings::PF_KTHREAD == 0 || !own.is_null() {
        return Err(EINVAL);
    }
    // SAFETY: As has just been found. `f` has no `Context` by which to use another, as it is
    // `Send`, and this function would refuse to. For the same reason it has no reference to the
    // task, and leaves none.
    Ok(unsafe { with_mm(mm, f) })
}

impl Context<'_> {
    /// Calls `f` while the thread uses `mm` for its address space.
    ///
    /// Meanwhile, [`UserSlice`](kernel::uaccess::UserSlice) reads and writes the memory of that
    /// process. A kernel thread must not use one otherwise: it would access the memory of whatever
    /// process ran last.
    ///
    /// `f` must be [`Send`], and so must be what it returns, as `current!()` says of it: no
    /// reference to the current task crosses the borders of `f`. It gets a context of its own, by
    /// which it waits, parks and freezes as always, and which can not use another address space.
    ///
    /// As long as `f` runs, a process that exits does not give back its memory. So a thread that
    /// waits in it for long, or stays parked, should serve no other process meanwhile.
    ///
    /// A thread that dies within `f` leaks what it owned, and the structure of the address space
    /// with that, but it does not take the memory from the process.
    ///
    /// Sleeps: must not be called with interrupts off, which this would switch on.
    ///
    /// Wraps `kthread_use_mm()` and `kthread_unuse_mm()` of
    /// [`kernel/kthread.c`](srctree/kernel/kthread.c). Where there is no context, see
    /// [`use_mm`](super::use_mm).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, mm: ARef<MmWithUser>, addr: usize) -> Result {
    /// let thread = group.spawn(fmt!("peek"), move |ctx| {
    ///     ctx.use_mm(&mm, |_ctx| {
    ///         UserSlice::new(UserPtr::from_addr(addr), 4).reader().read::<u32>()
    ///     })
    /// })?;
    ///
    /// pr_info!("{:x}\n", thread.join()??);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// One that serves a process for as long as it is not stopped:
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, mm: ARef<MmWithUser>, addr: usize) -> Result {
    /// let ring = group.spawn(fmt!("ring"), move |ctx| {
    ///     ctx.use_mm(&mm, |ctx| {
    ///         while ctx.wait() == Wake::Ready {
    ///             let head = UserSlice::new(UserPtr::from_addr(addr), 4).reader().read::<u32>();
    ///             pr_info!("{head:?}\n");
    ///         }
    ///     })
    /// })?;
    ///
    /// ring.wake();
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "kthread_use_mm")]
    #[doc(alias = "kthread_unuse_mm")]
    pub fn use_mm<R: Send>(
        &self,
        mm: &MmWithUser,
        f: impl FnOnce(&Context<'_, UsesMm>) -> R + Send,
    ) -> R {
        // SAFETY: By the type invariants the current task is a kernel thread that uses no address
        // space. `f` does not change that: its context can not, `use_mm` refuses to, and as it is
        // `Send` it has no other context. For the same reason it has no reference to the task, and
        // leaves none. The context that it gets ends with it.
        unsafe { with_mm(mm, || f(&self.using_mm())) }
    }
}

#[cfg(kthread_kunit)]
#[kernel::prelude::kunit_tests(rust_kthread_mm)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        current,
        error::to_result,
        mm::MmWithUser,
        new_mutex,
        page::PAGE_SIZE,
        prelude::*,
        sync::{
            aref::ARef,
            atomic::Relaxed,
            Arc, //
        },
        uaccess::{
            UserPtr,
            UserSlice, //
        }, //
    };

    // The bindings do not cover `asm/mman.h`. These are what most architectures have.
    const PROT_READ: usize = 1;
    const PROT_WRITE: usize = 2;
    const MAP_PRIVATE: usize = 2;
    const MAP_ANONYMOUS: usize = 0x20;

    #[test]
    fn a_thread_uses_an_address_space_for_as_long_as_it_says() -> Result {
        let group = group()?;
        let (mm, addr) = attach()?;
        let used = mm.clone();

        let thread = group.spawn(fmt!("user"), move |ctx| -> Result<[bool; 4]> {
            let before = seen(ctx.core()).mm;
            let within = ctx.use_mm(&used, |_| -> Result<bool> {
                UserSlice::new(UserPtr::from_addr(addr), 4)
                    .writer()
                    .write(&0x1234_5678_u32)?;
                Ok(current!()
                    .mm()
                    .is_some_and(|mm| ::core::ptr::eq(mm, &*used)))
            })?;
            // It can be done again, and says what the closure says.
            let again = ctx.use_mm(&used, |_| 7) == 7;
            Ok([before, within, again, seen(ctx.core()).mm])
        })?;

        assert_eq!(thread.join()??, [false, true, true, false]);
        let found = UserSlice::new(UserPtr::from_addr(addr), 4)
            .reader()
            .read::<u32>()?;
        assert_eq!(found, 0x1234_5678);
        Ok(())
    }

    /// Returns an address space in which there is a page, and the address of that. The test has it
    /// until it ends.
    fn attach() -> Result<(ARef<MmWithUser>, usize)> {
        // SAFETY: The test runs in a kernel thread, which may use an address space until it ends.
        to_result(unsafe { bindings::kunit_attach_mm() })?;
        // SAFETY: The current task has an address space. The arguments ask for a new page.
        let addr = unsafe {
            bindings::vm_mmap(
                ::core::ptr::null_mut(),
                0,
                PAGE_SIZE,
                PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS,
                0,
            )
        };
        assert!(addr % PAGE_SIZE == 0);

        Ok((ARef::from(current!().mm().ok_or(EINVAL)?), addr))
    }

    fn at(addr: usize) -> UserSlice {
        UserSlice::new(UserPtr::from_addr(addr), 4)
    }

    #[test]
    fn a_thread_waits_while_it_uses_an_address_space() -> Result {
        let group = group()?;
        let (mm, addr) = attach()?;
        let steps = count()?;
        let counted = steps.clone();
        let mut thread = group.spawn(fmt!("ring"), move |ctx| {
            let served = ctx.use_mm(&mm, |ctx| -> Result<u32> {
                let mut sum = 0;
                while ctx.wait() == Wake::Ready {
                    sum += at(addr).reader().read::<u32>()?;
                    at(addr).writer().write(&sum)?;
                    counted.fetch_add(1, Relaxed);
                }
                Ok(sum)
            });
            (served, seen(ctx.core()).mm)
        })?;
        let mut expected = 0;

        for round in 1..=10u32 {
            at(addr).writer().write(&round)?;
            expected += round;
            // It is parked with the address space, and goes on with it.
            thread.park()?;
            assert!(seen(thread.core()).mm);
            thread.unpark()?;
            thread.wake();
            assert!(eventually(|| steps.load(Relaxed) == round as usize));
            assert_eq!(at(addr).reader().read::<u32>()?, expected);
        }
        assert_eq!(thread.stop(), Ok((Ok(expected), false)));
        Ok(())
    }

    #[test]
    fn who_has_no_context_uses_an_address_space() -> Result {
        let (mm, addr) = attach()?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let results = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let (told, used, stored) = (done.clone(), mm.clone(), results.clone());

        kernel::workqueue::system().try_spawn(GFP_KERNEL, move || {
            let written = use_mm(&used, || at(addr).writer().write(&7u32));
            // And again, as nothing is left of it.
            let read = use_mm(&used, || at(addr).reader().read::<u32>());
            *stored.lock() = Some((written, read));
            told.complete();
        })?;
        done.wait_for_completion();
        assert_eq!(results.lock().take(), Some((Ok(Ok(())), Ok(Ok(7)))));

        // A thread of this code may do so as well.
        let group = group()?;
        let used = mm.clone();
        let thread = group.spawn(fmt!("user"), move |ctx| {
            let read = use_mm(&used, || at(addr).reader().read::<u32>());
            (read, seen(ctx.core()).mm)
        })?;
        assert_eq!(thread.join(), Ok((Ok(Ok(7)), false)));
        Ok(())
    }

    #[test]
    fn who_uses_an_address_space_uses_no_other() -> Result {
        let group = group()?;
        let (mm, _) = attach()?;
        let drops = count()?;

        // The test itself.
        let counted = Counted(drops.clone());
        let refused = use_mm(&mm, move || {
            let _counted = &counted;
        });
        assert_eq!(refused, Err(EINVAL));
        assert_eq!(drops.load(Relaxed), 1);

        let used = mm.clone();
        let thread = group.spawn(fmt!("nests"), move |ctx| {
            let within = ctx.use_mm(&used, |_| use_mm(&used, || ()));
            let nested = use_mm(&used, || use_mm(&used, || ()));
            (within, nested, use_mm(&used, || 7), seen(ctx.core()).mm)
        })?;
        assert_eq!(
            thread.join(),
            Ok((Err(EINVAL), Ok(Err(EINVAL)), Ok(7), false))
        );
        Ok(())
    }
}
