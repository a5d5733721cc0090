// SPDX-License-Identifier: GPL-2.0

//! Threads that work on the address space of a process.

use super::context::Context;
use kernel::{
    bindings,
    mm::MmWithUser, //
};

impl Context<'_> {
    /// Calls `f` while the thread uses `mm` for its address space.
    ///
    /// Meanwhile, [`UserSlice`](kernel::uaccess::UserSlice) reads and writes the memory of that
    /// process. A kernel thread must not use one otherwise: it would access the memory of whatever
    /// process ran last.
    ///
    /// `f` must be [`Send`], and so must be what it returns, as `current!()` says of it: no reference
    /// to the current task crosses the borders of `f`. As a [`Context`] is not `Send` either, this
    /// can not be nested, nor can `f` wait by the context.
    ///
    /// Does not sleep by itself. `f` may.
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
        // SAFETY: By the type invariants the current task is a kernel thread. It has no `mm`: no
        // other function gives it one, and this one can not be nested, because `f` can not hold a
        // `Context`. The borrow of `mm` keeps `mm_users` from becoming zero until after the call
        // below.
        unsafe { bindings::kthread_use_mm(mm.as_raw()) };
        let result = f();

        // SAFETY: The current task is a kernel thread that uses `mm`, as set above.
        unsafe { bindings::kthread_unuse_mm(mm.as_raw()) };
        result
    }
}
