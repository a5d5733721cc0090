// SPDX-License-Identifier: GPL-2.0
//
// error: E0597: `local` does not live long enough

//! The threads of a scope end after the locals of the closure that spawns them.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result {
    #[cfg(fixed)]
    let local = 7;

    scope(|s| -> Result {
        #[cfg(not(fixed))]
        let local = 7;
        let borrowed = &local;
        let _thread = s.spawn(fmt!("borrows"), move |_ctx| {
            let _borrowed: i32 = { borrowed }.clone();
        })?;
        Ok(())
    })?
}
