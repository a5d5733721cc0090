// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! A queued work item also belongs to the queue.

use api::kthread::*;
use kernel::{prelude::*, sync::Arc};

pub struct Nothing;

impl WorkItem for Nothing {
    fn run(_this: &Arc<Work<Self>>, _ctx: &Context<'_>) {}
}

pub fn case(worker: &Worker) -> Result {
    #[cfg(not(fixed))]
    pin_init::stack_pin_init!(let work = Work::new(Nothing));
    #[cfg(fixed)]
    let work = Work::new_arc(Nothing, GFP_KERNEL)?;
    let _ = worker.queue::<Arc<Work<Nothing>>>(work);
    Ok(())
}
