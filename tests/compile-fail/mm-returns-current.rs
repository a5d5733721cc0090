// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! No reference to the current task crosses the borders of a use of an address space.

use api::kthread::*;
use kernel::{current, mm::MmWithUser};

pub fn case(ctx: &Context<'_>, mm: &MmWithUser) {
    let current = current!();
    let pid = current.pid();

    ctx.use_mm(mm, |_| {
        #[cfg(not(fixed))]
        let _ = current.pid();
        pid
    });
}
