// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! What is said of allocations is no flag of the task: others of these say that it exits, or is no
//! kernel thread.

use api::kthread::*;
use kernel::{
    bindings,
    prelude::*, //
};

pub fn case() -> Result<KBox<u32>> {
    #[cfg(fixed)]
    let memalloc = Memalloc::NoFs;
    #[cfg(not(fixed))]
    let memalloc = bindings::PF_EXITING;
    Ok(memalloc_scope(memalloc, || KBox::new(1, GFP_KERNEL))?)
}
