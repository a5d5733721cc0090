// SPDX-License-Identifier: GPL-2.0
//
// error: E0521: borrowed data escapes outside of closure

//! A member of a group may outlive the scope, so it must not own a handle of it.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup) -> Result {
    scope(|s| -> Result {
        let thread = s.spawn(fmt!("scoped"), |_ctx| ())?;
        #[cfg(not(fixed))]
        let _owner = group.spawn(fmt!("owner"), move |_ctx| drop(thread))?;
        #[cfg(fixed)]
        let _owner = s.spawn(fmt!("owner"), move |_ctx| drop(thread))?;
        Ok(())
    })?;
    let _ = group;
    Ok(())
}
