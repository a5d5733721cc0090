// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! Allocation scopes do not take task flags: other task flags say that the task exits, or is not a
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
