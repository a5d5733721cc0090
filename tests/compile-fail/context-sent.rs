// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! A context belongs to its own thread.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup) -> Result {
    let _thread = group.spawn(fmt!("owner"), |ctx| {
        let should_stop = ctx.should_stop();

        let _ = scope(|s| {
            let _ = s.spawn(fmt!("thief"), move |_own| {
                #[cfg(not(fixed))]
                let _ = ctx.should_stop();
                should_stop
            });
        });
    })?;
    Ok(())
}
