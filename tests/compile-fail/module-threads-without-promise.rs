// SPDX-License-Identifier: GPL-2.0
//
// error: E0133: call to unsafe function `api::kthread::ModuleThreads::new`

//! What stops the threads of a module is made by a macro, or promised in an unsafe block.

use api::kthread::*;

#[cfg(not(fixed))]
pub static THREADS: ModuleThreads = ModuleThreads::new();
#[cfg(fixed)]
// SAFETY: Nobody opens it.
pub static THREADS: ModuleThreads = unsafe { ModuleThreads::new() };
