// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `placement` found for struct

//! In C, binding a running thread warns and changes nothing.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(group: &ThreadGroup) -> Result {
    let builder = Builder::new(fmt!("placed"));
    #[cfg(fixed)]
    let builder = builder.placement(Placement::Node(0));
    let thread = builder.spawn(group, |_ctx| ())?;
    #[cfg(not(fixed))]
    let thread = thread.placement(Placement::Node(0));
    drop(thread);
    Ok(())
}
