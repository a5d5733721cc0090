// SPDX-License-Identifier: GPL-2.0

//! Threads that die, to see what becomes of those who wait for them and of those who do not.

#[path = "../../kthread/mod.rs"]
pub mod kthread;

use kernel::prelude::*;
use kthread::{
    Context,
    Thread,
    ThreadGroup,
    Wake, //
};

module! {
    type: Dying,
    name: "kthread_dying",
    authors: ["The rust_kthread_demo authors"],
    description: "Kernel threads that die",
    license: "GPL",
}

struct Dying {
    _threads: ThreadGroup,
    _survivor: Thread<()>,
}

/// Dies of an oops.
fn oops(_: &Context<'_>) -> u32 {
    // SAFETY: Not upheld, on purpose: the fault is what the thread is to die of.
    u32::from(unsafe { core::ptr::null::<u8>().read_volatile() })
}

/// Dies of a Rust panic.
fn panics(_: &Context<'_>) -> u32 {
    panic!("a thread that is to die");
}

impl kernel::Module for Dying {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is part of the module, and dropped with it, or at the end of this.
        let threads = unsafe { ThreadGroup::new()? };
        let joined = threads.spawn(fmt!("oops"), oops)?.join();
        let stopped = threads.spawn(fmt!("panics"), panics)?.stop();
        // Nobody ever asks for this one.
        core::mem::forget(threads.spawn(fmt!("forgotten"), oops)?);

        pr_info!("joined {joined:?}, stopped {stopped:?}\n");
        Ok(Self {
            // Its name is longer than `comm`, to see what is left of it.
            _survivor: threads.spawn(fmt!("survivor-until-the-module-goes"), |ctx| {
                while ctx.wait() != Wake::Stop {}
            })?,
            _threads: threads,
        })
    }
}
