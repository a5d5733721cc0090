// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be sent between threads safely

//! The value of a closure moves to the joining thread.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup) -> Result {
    #[cfg(not(fixed))]
    let _thread = group.spawn(fmt!("returns"), |_ctx| core::ptr::null_mut::<u8>())?;
    #[cfg(fixed)]
    let _thread = group.spawn(fmt!("returns"), |_ctx| 0)?;
    Ok(())
}
