// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! A thread of a scope must not spawn into it, as the scope may be ending.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result {
    scope(|s| -> Result {
        let _thread = s.spawn(fmt!("spawns"), move |_ctx| {
            #[cfg(not(fixed))]
            let _ = s.spawn(fmt!("spawned"), |_ctx| ());
            #[cfg(fixed)]
            let _ = scope(|s| drop(s.spawn(fmt!("spawned"), |_ctx| ())));
        })?;
        Ok(())
    })?
}
