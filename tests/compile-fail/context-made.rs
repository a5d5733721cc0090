// SPDX-License-Identifier: GPL-2.0
//
// error: E0624: associated function `new` is private

//! Only the function that a thread runs gets a context.

use api::kthread::*;

pub fn case(ctx: &Context<'_>) -> bool {
    #[cfg(not(fixed))]
    // SAFETY: None.
    let _ = unsafe { Context::new(todo!()) };
    ctx.should_stop()
}
