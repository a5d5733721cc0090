// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: the trait bound

//! A struct that is queued as a work item implements its function.

use api::kthread::*;
use kernel::{prelude::*, sync::Arc};

#[pin_data]
pub struct Device {
    #[pin]
    poll: WorkField<Device, 0>,
}

impl_has_work_field! { Device { 0: poll } }

#[cfg(fixed)]
impl FieldItem<0> for Device {
    fn run(_this: &Arc<Self>, _ctx: &Context<'_>) {}
}

pub fn case(worker: &Worker, device: Arc<Device>) -> Result {
    Ok(worker.queue(WorkOf::<_, 0>(device))?)
}
