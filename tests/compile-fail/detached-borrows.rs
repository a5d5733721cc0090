// SPDX-License-Identifier: GPL-2.0
//
// error: E0597: `local` does not live long enough

//! A detached thread outlives the function that spawns it.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(module: &'static ThisModule) -> Result {
    let local = 7;
    #[cfg(not(fixed))]
    let borrowed = &local;
    #[cfg(fixed)]
    let borrowed = local;
    let _waker = Builder::new(fmt!("borrows")).spawn_detached(module, move |_ctx| {
        let _borrowed: i32 = { borrowed }.clone();
    })?;
    Ok(())
}
