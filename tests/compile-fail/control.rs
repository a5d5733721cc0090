// SPDX-License-Identifier: GPL-2.0
//
// compiles

//! The common parts of the other cases compile, so these fail for no other reason.

use api::kthread::*;
use kernel::{
    prelude::*,
    sync::Arc, //
};

pub struct Item;

impl WorkItem for Item {
    fn run(_this: &Arc<Work<Self>>, _ctx: &Context<'_>) {}
}

impl_has_slot!(Item);

impl PerCpuThread for Item {
    fn run(&self, _cpu: kernel::cpu::CpuId) {}
}

pub fn case(group: &ThreadGroup, module: &'static ThisModule) -> Result {
    let local = 7;

    let mut thread = Builder::new(fmt!("member"))
        .create(group, |ctx| ctx.wait())?
        .start();
    thread.park()?;
    let _ = thread.stop();
    let seven = scope(|s| -> Result<_> {
        let one = s.spawn(fmt!("one"), |_ctx| &local)?;
        let other = s.spawn(fmt!("other"), move |_ctx| one.join())?;
        Ok(other.join()??)
    })??;
    let _waker = Builder::new(fmt!("detached")).spawn_detached(module, |_ctx| ())?;
    let worker = Builder::new(fmt!("worker")).spawn_worker(group)?;
    worker.queue(Work::new_arc(Item, GFP_KERNEL)?)?;
    drop(PerCpuThreads::register(group, fmt!("percpu"), Item)?);
    assert_eq!(*seven, 7);
    Ok(())
}
