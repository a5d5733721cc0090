// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `run_on` found for

//! Only the thread itself moves to other CPUs for a call.

use api::kthread::*;
use kernel::{
    cpu::CpuId,
    prelude::*, //
};

pub fn case(group: &ThreadGroup) -> Result {
    let thread = group.spawn(fmt!("runs"), |ctx| {
        #[cfg(fixed)]
        let _ = ctx.run_on(CpuId::current());
        let _ = ctx;
    })?;
    #[cfg(not(fixed))]
    thread.run_on(CpuId::current())?;
    drop(thread);
    Ok(())
}
