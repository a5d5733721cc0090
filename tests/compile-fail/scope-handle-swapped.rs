// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! A handle of a scope has another type than one of a group.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(mut member: Thread<()>) -> Result {
    scope(|s| -> Result {
        let mut thread = s.spawn(fmt!("scoped"), |_ctx| ())?;
        #[cfg(fixed)]
        let mut member = s.spawn(fmt!("scoped"), |_ctx| ())?;
        core::mem::swap(&mut thread, &mut member);
        Ok(())
    })?
}
