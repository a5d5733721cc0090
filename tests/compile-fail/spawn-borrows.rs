// SPDX-License-Identifier: GPL-2.0
//
// error: E0597: `local` does not live long enough

//! A member of a group may outlive the function that spawns it.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup) -> Result {
    let local = 7;
    #[cfg(not(fixed))]
    let borrowed = &local;
    #[cfg(fixed)]
    let borrowed = local;
    let _thread = group.spawn(fmt!("borrows"), move |_ctx| {
        let _borrowed: i32 = { borrowed }.clone();
    })?;
    Ok(())
}
