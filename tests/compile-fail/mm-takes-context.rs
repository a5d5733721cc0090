// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! A use of an address space has its own context.

use api::kthread::*;
use kernel::mm::MmWithUser;

pub fn case(ctx: &Context<'_>, mm: &MmWithUser) {
    ctx.use_mm(mm, |_| {
        #[cfg(not(fixed))]
        ctx.use_mm(mm, |_| ());
    });
}
