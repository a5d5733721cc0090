// SPDX-License-Identifier: GPL-2.0
//
// error: E0133: call to unsafe function `api::kthread::ModuleThreads::open`

//! A macro opens the threads of a module, or else an unsafe block with a promise.

use api::kthread::*;
use kernel::prelude::*;

static THREADS: ModuleThreads = ModuleThreads::new();

pub fn case(module: &'static ThisModule) -> Result<ModuleGuard> {
    #[cfg(not(fixed))]
    return THREADS.open(module);
    #[cfg(fixed)]
    // SAFETY: Nobody calls this.
    return unsafe { THREADS.open(module) };
}
