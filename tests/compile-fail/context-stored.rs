// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! A context does not outlive the closure that it is passed to.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result {
    #[cfg(not(fixed))]
    let mut kept = None;

    scope(|s| {
        let _ = s.spawn(fmt!("keeper"), |ctx| {
            #[cfg(not(fixed))]
            let () = kept = Some(ctx);
            let _ = ctx.wait();
        });
    })
}
