// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `take_thawed` found for struct

//! Only the thread itself checks whether it was frozen.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup) -> Result {
    let thread = Builder::new(fmt!("cold"))
        .freezable(true)
        .spawn(group, |ctx| {
            #[cfg(fixed)]
            let _ = ctx.take_thawed();
            let _ = ctx;
        })?;
    #[cfg(not(fixed))]
    let _ = thread.take_thawed();
    drop(thread);
    Ok(())
}
