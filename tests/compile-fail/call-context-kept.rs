// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! The context of a call ends with it.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(worker: &Worker) -> Result {
    let mut kept = None;

    worker.call(|ctx| {
        #[cfg(not(fixed))]
        {
            kept = Some(ctx);
        }
        #[cfg(fixed)]
        {
            kept = Some(ctx.should_stop());
        }
    })?;
    drop(kept);
    Ok(())
}
