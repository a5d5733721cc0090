// SPDX-License-Identifier: GPL-2.0
//
// error: E0597: `local` does not live long enough

//! A work item of a group's worker may run after the function that queues it.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(worker: &Worker) -> Result {
    let local = 7;
    #[cfg(not(fixed))]
    let borrowed = &local;
    #[cfg(fixed)]
    let borrowed = local;

    worker.spawn(GFP_KERNEL, move |_ctx| {
        let _borrowed: i32 = { borrowed }.clone();
    })
}
