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

/// Calls `f` while the current task uses `mm` as its address space.
///
/// Sleeps.
///
/// # Safety
///
/// The current task must be a kernel thread that uses no address space. Neither `f` nor the code
/// that it calls may use another one, have an earlier reference to the current task, or leave one
/// behind.
unsafe fn with_mm<R>(mm: &MmWithUser, f: impl FnOnce() -> R) -> R {
    might_sleep();

    // If the task dies in `f`, `exit_mm()` puts a reference to `mm_users` that `kthread_use_mm()`
    // does not take: this one, which the dead task leaks.
    let own = ARef::from(mm);

    // SAFETY: The caller guarantees that the task is a kernel thread without an address space.
    // `own` keeps `mm_users` above zero until after the call below.
    unsafe { bindings::kthread_use_mm(mm.as_raw()) };
    let result = f();

    // SAFETY: The current task is a kernel thread that uses `mm`, as set above.
    unsafe { bindings::kthread_unuse_mm(mm.as_raw()) };
    drop(own);
    result
}

/// Calls `f` while the current task, a kernel thread, uses `mm` as its address space.
///
/// This is for kernel threads without a [`Context`]: those of a workqueue or an interrupt, and
/// [`PerCpuThreads`](super::PerCpuThreads). The requirements of [`Context::use_mm`] for `f` hold
/// here, but `f` gets no context.
///
/// Sleeps: must not be called with interrupts off, as this would enable them. Fails with
/// [`EINVAL`], and drops `f`, if the caller is no kernel thread or already uses an address space.
///
/// Wraps `kthread_use_mm()` and `kthread_unuse_mm()` of
/// [`kernel/kthread.c`](srctree/kernel/kthread.c).
///
/// # Examples
///
/// A work item of a workqueue that writes an answer to the memory of a process:
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
    // SAFETY: The current task is alive. Others may read both fields, and only the task changes
    // them.
    let (flags, own) = unsafe {
        (
            atomic_load(&raw mut (*task).flags, Relaxed),
            atomic_load(&raw mut (*task).mm, Relaxed),
        )
    };

    if flags & bindings::PF_KTHREAD == 0 || !own.is_null() {
        return Err(EINVAL);
    }
    // SAFETY: The task is a kernel thread without an address space, as checked above. `f` cannot
    // use another: as it is `Send` it has no `Context`, and this function refuses. As it is `Send`,
    // it has no reference to the task, and leaves none.
    Ok(unsafe { with_mm(mm, f) })
}

impl Context<'_> {
    /// Calls `f` while the thread uses `mm` as its address space.
    ///
    /// In `f`, [`UserSlice`](kernel::uaccess::UserSlice) reads and writes the memory of that
    /// process. Elsewhere a kernel thread must not use one: it would access the memory of the
    /// process that ran last.
    ///
    /// `f` and its result must be [`Send`], so that no reference to the current task crosses the
    /// boundary (see `current!()`). `f` gets its own context, with which it waits, parks and
    /// freezes as usual, but cannot use another address space.
    ///
    /// While `f` runs, a process that exits does not release its memory. So `f` should not wait for
    /// long, or stay parked.
    ///
    /// A thread that dies in `f` leaks what it owned, including the `mm_struct`, but the process
    /// keeps its memory.
    ///
    /// Sleeps: must not be called with interrupts off, as this would enable them.
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
    /// A thread that serves a process until it is stopped:
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
        // space. `f` cannot use another: its context does not allow it, `use_mm` refuses, and as it
        // is `Send` it has no other context. As it is `Send`, it has no reference to the task, and
        // leaves none. Its context ends with it.
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
            atomic::{
                atomic_load,
                Relaxed, //
            },
            Arc, //
        },
        uaccess::{
            UserPtr,
            UserSlice, //
        }, //
    };

    // The bindings do not cover `asm/mman.h`. These are the values of most architectures.
    const PROT_READ: usize = 1;
    const PROT_WRITE: usize = 2;
    const MAP_PRIVATE: usize = 2;
    const MAP_ANONYMOUS: usize = 0x20;

    #[test]
    fn a_thread_uses_an_address_space_for_as_long_as_it_says() -> Result {
        let group = group()?;
        let (mm, addr) = attach()?;
        // SAFETY: `mm` keeps it valid, and others change it atomically.
        let users = || unsafe {
            let mm = mm.as_raw();

            atomic_load(&raw mut (*mm).__bindgen_anon_1.mm_users.counter, Relaxed)
        };
        let before = users();
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
            // It can be repeated, and returns what the closure returns.
            let again = ctx.use_mm(&used, |_| 7) == 7;
            Ok([before, within, again, seen(ctx.core()).mm])
        })?;

        assert_eq!(thread.join()??, [false, true, true, false]);
        let found = UserSlice::new(UserPtr::from_addr(addr), 4)
            .reader()
            .read::<u32>()?;
        assert_eq!(found, 0x1234_5678);
        assert_eq!(users(), before);
        Ok(())
    }

    /// Returns an address space with one page, and the address of that page.
    ///
    /// The test uses it until it ends.
    fn attach() -> Result<(ARef<MmWithUser>, usize)> {
        // SAFETY: The test runs in a kernel thread, which may use an address space until its end.
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
            // It parks with the address space, and continues with it.
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
            // It works again, as nothing is left behind.
            let read = use_mm(&used, || at(addr).reader().read::<u32>());
            *stored.lock() = Some((written, read));
            told.complete();
        })?;
        done.wait_for_completion();
        assert_eq!(results.lock().take(), Some((Ok(Ok(())), Ok(Ok(7)))));

        // A thread of this API may do so as well.
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
