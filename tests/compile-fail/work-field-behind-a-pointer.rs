// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! The work item of a struct is a field of it, not of something that it owns.

use api::kthread::*;
use kernel::prelude::*;

pub struct Device {
    #[cfg(not(fixed))]
    pub poll: KBox<WorkField<Device, 0>>,
    #[cfg(fixed)]
    pub poll: WorkField<Device, 0>,
}

impl_has_work_field! { Device { 0: poll } }
