// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! The work item of a struct is the field with its number.

use api::kthread::*;
use kernel::{prelude::*, sync::Arc};

#[pin_data]
pub struct Device {
    #[pin]
    poll: WorkField<Device, 0>,
    #[pin]
    reset: WorkField<Device, 1>,
}

#[cfg(not(fixed))]
impl_has_work_field! { Device { 0: poll, 1: poll } }
#[cfg(fixed)]
impl_has_work_field! { Device { 0: poll, 1: reset } }

impl FieldItem<0> for Device {
    fn run(_this: &Arc<Self>, _ctx: &Context<'_>) {}
}
