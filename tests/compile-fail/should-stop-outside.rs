// SPDX-License-Identifier: GPL-2.0
//
// error: E0425: cannot find function `should_stop`

//! There is no function that dereferences a null pointer outside kernel threads.

use api::kthread::*;

pub fn case(ctx: &Context<'_>) -> bool {
    #[cfg(not(fixed))]
    let _ = api::kthread::should_stop();
    ctx.should_stop()
}
