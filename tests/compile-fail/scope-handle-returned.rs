// SPDX-License-Identifier: GPL-2.0
//
// error: lifetime may not live long enough

//! A handle does not leave its scope as a value.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result {
    let _ = scope(|s| {
        let thread = s.spawn(fmt!("escapes"), |_ctx| ());
        #[cfg(not(fixed))]
        return thread;
        #[cfg(fixed)]
        drop(thread);
    });
    Ok(())
}
