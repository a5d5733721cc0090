// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: the trait bound `Idle: HasSlot` is not satisfied

//! Without a slot, the callbacks would find the data of another type.

use api::kthread::*;
use kernel::{
    cpu::CpuId,
    prelude::*, //
};

pub struct Idle;

#[cfg(fixed)]
impl_has_slot!(Idle);

impl PerCpuThread for Idle {
    fn run(&self, _cpu: CpuId) {}
}

pub fn case(builder: Builder<'_>, group: &ThreadGroup) -> Result {
    #[cfg(fixed)]
    drop(builder.spawn_percpu(group, Idle)?);
    #[cfg(not(fixed))]
    let _ = (builder, group);
    Ok(())
}
