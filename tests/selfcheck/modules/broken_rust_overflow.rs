// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: it adds to the largest number.

use kernel::prelude::*;

module! {
    type: Broken,
    name: "broken_rust_overflow",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

struct Broken;

#[inline(never)]
fn add_one(number: u32) -> u32 {
    number + 1
}

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        core::hint::black_box(add_one(core::hint::black_box(u32::MAX)));
        Ok(Broken)
    }
}
