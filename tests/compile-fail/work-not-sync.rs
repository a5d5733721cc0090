// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! A work item is shared between the worker and its queuers.

use api::kthread::*;
use core::cell::Cell;
use kernel::sync::Arc;

#[cfg(not(fixed))]
pub struct Count(pub Cell<u32>);
#[cfg(fixed)]
pub struct Count(pub core::marker::PhantomData<fn(Cell<u32>)>);

impl WorkItem for Count {
    fn run(_this: &Arc<Work<Self>>, _ctx: &Context<'_>) {}
}
