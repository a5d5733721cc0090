// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! A group ends with a bound device, and not every reference proves that the device is bound.

use api::kthread::*;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::Arc, //
};

pub fn case(
    threads: &'static ModuleThreads,
    any: &Device,
    bound: &Device<Bound>,
) -> Result<Arc<ThreadGroup>> {
    #[cfg(not(fixed))]
    let dev = any;
    #[cfg(fixed)]
    let dev = bound;

    let _ = (any, bound);
    ThreadGroup::for_device(threads, dev)
}
