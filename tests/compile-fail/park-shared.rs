// SPDX-License-Identifier: GPL-2.0
//
// error: E0596: cannot borrow `*thread` as mutable

//! Two callers do not park a thread at the same time.

use api::kthread::*;

pub fn case(#[cfg(not(fixed))] thread: &Thread<()>, #[cfg(fixed)] thread: &mut Thread<()>) {
    let _ = thread.park();
}
