// SPDX-License-Identifier: GPL-2.0

//! A thread that starts while the module loads, and ends by itself.
//!
//! It probes one address after the other for a device, and the load does not wait for that. If the
//! load fails later (`fail=1` makes it fail), or the module is unloaded, the group ends the thread.

#[path = "../kthread/mod.rs"]
mod kthread;

use core::borrow::Borrow;
use kernel::{
    prelude::*,
    time::Delta, //
};
use kthread::{
    Builder,
    Context,
    ThreadGroup,
    Wake, //
};

threaded_module! {
    type: KthreadOneshot,
    threads: THREADS,
    name: "kthread_oneshot",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread that is started while the module loads, and ends by itself",
    license: "GPL",
    params: {
        addresses: u64 {
            default: 8,
            description: "At how many addresses to look",
        },
        fail: u8 {
            default: 0,
            description: "Whether the load fails after the thread has been started",
        },
    },
}

/// Reads a parameter, which is a reference in linux 7.2 and a value in 7.3.
fn value<T: Copy>(parameter: impl Borrow<T>) -> T {
    *parameter.borrow()
}

/// Probes each address, which takes a while.
fn look(ctx: &Context<'_>, addresses: u64) {
    for address in 0..addresses {
        if ctx.wait_timeout(Delta::from_millis(20)) == Wake::Stop {
            pr_info!("gave up\n");
            return;
        }
        pr_debug!("nothing at address {address}\n");
    }
    pr_info!("looked at {addresses} addresses\n");
}

struct KthreadOneshot {
    _threads: ThreadGroup,
}

impl kernel::Module for KthreadOneshot {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let addresses: u64 = value(module_parameters::addresses.value());
        let fail: u8 = value(module_parameters::fail.value());
        let threads = ThreadGroup::for_module(&THREADS)?;

        // Nobody keeps a handle: the memory of the thread is freed when it has returned.
        Builder::new(fmt!("oneshot")).spawn_member(&threads, move |ctx| look(ctx, addresses))?;
        if fail != 0 {
            return Err(ENODEV);
        }
        Ok(Self { _threads: threads })
    }
}
