// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: a WARN at load, below a function of this file.

use kernel::prelude::*;

module! {
    type: Broken,
    name: "broken_rust",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

struct Broken;

#[inline(never)]
fn warns() {
    kernel::warn_on!(true);
}

/// Ends with no call, which would leave no frame of this function.
#[inline(never)]
fn calls() -> Result<Broken> {
    warns();
    Ok(core::hint::black_box(Broken))
}

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        calls()
    }
}
