// SPDX-License-Identifier: GPL-2.0
//
// error: E0133: call to unsafe function `api::kthread::ThreadGroup::new`

//! That a group ends before its module does is promised in an unsafe block.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result<ThreadGroup> {
    #[cfg(not(fixed))]
    return ThreadGroup::new();
    #[cfg(fixed)]
    // SAFETY: Nobody calls this.
    return unsafe { ThreadGroup::new() };
}
