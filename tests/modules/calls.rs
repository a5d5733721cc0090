// SPDX-License-Identifier: GPL-2.0

//! Runs the scripts of proofs/model/ on the kernel, and does not load if a result differs.

#[path = "calls/script.rs"]
mod script;

use core::cell::Cell;
use kernel::prelude::*;

module! {
    type: Calls,
    name: "kthread_calls",
    authors: ["The rust_kthread_demo authors"],
    description: "Calls of kernel/kthread.c, with what they return",
    license: "GPL",
}

struct Calls;

impl kernel::Module for Calls {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let steps = Cell::new(0);
        let wrong = Cell::new(0);

        script::run(&|script, step, found, right| {
            steps.set(steps.get() + 1);
            if found != right {
                wrong.set(wrong.get() + 1);
                pr_info!("step {step} of '{script}' gives {found}, and not {right}\n");
            }
        })?;
        pr_info!("{} steps, {} wrong\n", steps.get(), wrong.get());
        match wrong.get() {
            0 => Ok(Self),
            _ => Err(EIO),
        }
    }
}
