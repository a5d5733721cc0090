// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be sent between threads safely

//! No reference to the current task leaves a use of an address space, with a context or without.

use api::kthread::*;
use kernel::{current, mm::MmWithUser, prelude::*};

pub fn case(mm: &MmWithUser) -> Result<i32> {
    #[cfg(not(fixed))]
    return use_mm(mm, || current!().mm().map_or(0, |_| 1))
        .and(use_mm(mm, || {
            let task: *const _ = &raw const *current!();
            task
        }))
        .map(|_| 1);
    #[cfg(fixed)]
    use_mm(mm, || current!().pid())
}
