// SPDX-License-Identifier: GPL-2.0

//! Threads that work on the address space of a process.

use super::context::Context;
use kernel::{
    bindings,
    mm::MmWithUser,
    sync::aref::ARef,
    task::might_sleep, //
};

impl Context<'_> {
    /// Calls `f` while the thread uses `mm` for its address space.
    ///
    /// Meanwhile, [`UserSlice`](kernel::uaccess::UserSlice) reads and writes the memory of that
    /// process. A kernel thread must not use one otherwise: it would access the memory of whatever
    /// process ran last.
    ///
    /// `f` must be [`Send`], and so must be what it returns, as `current!()` says of it: no
    /// reference to the current task crosses the borders of `f`. As a [`Context`] is not `Send`
    /// either, this can not be nested, nor can `f` wait by the context.
    ///
    /// A thread that dies within `f` leaks what it owned, and the structure of the address space
    /// with that, but it does not take the memory from the process.
    ///
    /// Sleeps: must not be called with interrupts off, which this would switch on.
    ///
    /// Wraps `kthread_use_mm()` and `kthread_unuse_mm()` of
    /// [`kernel/kthread.c`](srctree/kernel/kthread.c).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, mm: ARef<MmWithUser>, addr: usize) -> Result {
    /// let thread = group.spawn(fmt!("peek"), move |ctx| {
    ///     ctx.use_mm(&mm, || {
    ///         UserSlice::new(UserPtr::from_addr(addr), 4).reader().read::<u32>()
    ///     })
    /// })?;
    ///
    /// pr_info!("{:x}\n", thread.join()??);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "kthread_use_mm")]
    #[doc(alias = "kthread_unuse_mm")]
    pub fn use_mm<R: Send>(&self, mm: &MmWithUser, f: impl FnOnce() -> R + Send) -> R {
        might_sleep();

        // If the task dies in `f`, `exit_mm()` puts a reference to the users of the address space
        // that `kthread_use_mm()` does not take: this one, which is leaked by dying.
        let own = ARef::from(mm);

        // SAFETY: By the type invariants the current task is a kernel thread. It has no `mm`: no
        // other function gives it one, and this one can not be nested, because `f` can not hold a
        // `Context`. `own` keeps `mm_users` from becoming zero until after the call below.
        unsafe { bindings::kthread_use_mm(mm.as_raw()) };
        let result = f();

        // SAFETY: The current task is a kernel thread that uses `mm`, as set above.
        unsafe { bindings::kthread_unuse_mm(mm.as_raw()) };
        drop(own);
        result
    }
}

#[cfg(kthread_kunit)]
#[kernel::prelude::kunit_tests(rust_kthread_mm)]
mod tests {
    use super::super::kunit::*;
    use kernel::{
        bindings,
        current,
        error::to_result,
        page::PAGE_SIZE,
        prelude::*,
        sync::aref::ARef,
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
        let mm = ARef::from(current!().mm().ok_or(EINVAL)?);
        let used = mm.clone();

        let thread = group.spawn(fmt!("user"), move |ctx| -> Result<[bool; 4]> {
            let before = ctx.identity().mm;
            let within = ctx.use_mm(&used, || -> Result<bool> {
                UserSlice::new(UserPtr::from_addr(addr), 4)
                    .writer()
                    .write(&0x1234_5678_u32)?;
                Ok(current!()
                    .mm()
                    .is_some_and(|mm| ::core::ptr::eq(mm, &*used)))
            })?;
            // It can be done again, and says what the closure says.
            let again = ctx.use_mm(&used, || 7) == 7;
            Ok([before, within, again, ctx.identity().mm])
        })?;

        assert_eq!(thread.join()??, [false, true, true, false]);
        let found = UserSlice::new(UserPtr::from_addr(addr), 4)
            .reader()
            .read::<u32>()?;
        assert_eq!(found, 0x1234_5678);
        Ok(())
    }
}
