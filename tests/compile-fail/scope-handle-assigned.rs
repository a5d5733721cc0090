// SPDX-License-Identifier: GPL-2.0
//
// error: E0521: borrowed data escapes outside of closure

//! A handle does not leave its scope by assignment.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result {
    #[cfg(not(fixed))]
    let mut kept = None;

    scope(|s| -> Result {
        #[cfg(fixed)]
        let mut kept = None;
        kept = Some(s.spawn(fmt!("escapes"), |_ctx| ())?);
        drop(kept.take());
        Ok(())
    })?
}
