// SPDX-License-Identifier: GPL-2.0

//! A thread that works on the memory of a process.
//!
//! It reads the arguments of the process that loads the module, if it has any, and logs them.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    current,
    mm::MmWithUser,
    prelude::*,
    str::BStr,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

module! {
    type: KthreadMm,
    name: "kthread_mm",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread that uses the memory of a process",
    license: "GPL",
}

/// Returns the addresses of the arguments of a process.
fn arguments(mm: &MmWithUser) -> (usize, usize) {
    // SAFETY: `mm` is valid. The process can change the fields at the same time, like its memory.
    unsafe {
        let fields = &raw const (*mm.as_raw()).__bindgen_anon_1;
        let start = (&raw const (*fields).arg_start).read_volatile();
        (start, (&raw const (*fields).arg_end).read_volatile())
    }
}

struct KthreadMm;

impl kernel::Module for KthreadMm {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let task = current!();
        let mm = task.mm().ok_or(ESRCH)?;
        let (start, end) = arguments(mm);
        let mut text = [0; 64];
        let text = text
            .get_mut(..end.saturating_sub(start).min(64))
            .ok_or(EINVAL)?;

        // The thread has no address space of its own. In a scope it can borrow this one.
        kthread::scope(|scope| -> Result {
            let thread = scope.spawn(fmt!("reader"), |ctx| {
                ctx.use_mm(mm, |_| {
                    let user = UserSlice::new(UserPtr::from_addr(start), text.len());
                    user.reader().read_slice(text)
                })
            })?;
            thread.join()?
        })??;

        // Each argument ends with a NUL.
        for byte in text.iter_mut().filter(|byte| **byte == 0) {
            *byte = b' ';
        }
        pr_info!("loaded by: {}\n", BStr::from_bytes(text));
        Ok(Self)
    }
}
