// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be sent between threads safely

//! The captures of a closure move to another thread.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup, pointer: *mut u8) -> Result {
    #[cfg(fixed)]
    let pointer = pointer as usize;
    let _thread = group.spawn(fmt!("captures"), move |_ctx| {
        let _ = pointer;
        let _pointer = &pointer;
    })?;
    Ok(())
}
