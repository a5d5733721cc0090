// SPDX-License-Identifier: GPL-2.0

//! Kernel threads in Rust, to be driven and watched from debugfs.

mod debugfs;
mod demo;
mod kthread;
mod stats;

use core::borrow::Borrow;
use debugfs::Root;
use demo::{
    Demo,
    Parameters, //
};
use kernel::prelude::*;
use kthread::ThreadGroup;

module! {
    type: RustKthreadDemo,
    name: "rust_kthread_demo",
    authors: ["The rust_kthread_demo authors"],
    description: "Kernel threads in Rust",
    license: "GPL",
    params: {
        workers: u64 {
            default: 4,
            description: "Event workers to start at load",
        },
        max_workers: u64 {
            default: 1024,
            description: "Most workers that there may be at a time",
        },
        period_us: u64 {
            default: 100_000,
            description: "Default period of periodic workers in microseconds",
        },
    },
}

struct RustKthreadDemo {
    _demo: Demo,
}

/// Reads a parameter, which is a reference in linux 7.2 and a value in 7.3.
fn value(parameter: impl Borrow<u64>) -> u64 {
    *parameter.borrow()
}

impl kernel::Module for RustKthreadDemo {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let parameters = Parameters {
            workers: value(module_parameters::workers.value()),
            max_workers: value(module_parameters::max_workers.value()),
            period_us: value(module_parameters::period_us.value()),
        };
        // SAFETY: The group becomes part of the demo, which is part of the module and dropped when
        // that is unloaded, or below if the load fails. No thread of the demo drops it.
        let threads = unsafe { ThreadGroup::new()? };
        // SAFETY: The root becomes part of the demo, too. No file of the demo drops it.
        let root = unsafe { Root::new(c"rust_kthread_demo")? };

        Ok(Self {
            _demo: Demo::new(root, &parameters, threads)?,
        })
    }
}
