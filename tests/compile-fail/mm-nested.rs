// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `use_mm` found for

//! Uses of address spaces do not nest.

use api::kthread::*;
use kernel::mm::MmWithUser;

pub fn case(ctx: &Context<'_>, mm: &MmWithUser) {
    ctx.use_mm(mm, |ctx| {
        #[cfg(not(fixed))]
        ctx.use_mm(mm, |_| ());
        ctx.should_stop()
    });
}
