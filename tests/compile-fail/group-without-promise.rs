// SPDX-License-Identifier: GPL-2.0
//
// error: E0133: call to unsafe function `api::kthread::ThreadGroup::new`

//! An unsafe block promises that a group ends before its module.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result<ThreadGroup> {
    #[cfg(not(fixed))]
    return ThreadGroup::new();
    #[cfg(fixed)]
    // SAFETY: Nobody calls this.
    return unsafe { ThreadGroup::new() };
}
