// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: it reads behind a slice, from the same array.

use kernel::prelude::*;

module! {
    type: Broken,
    name: "broken_rust_assertion",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

struct Broken;

#[inline(never)]
fn read_behind(numbers: &[u8]) -> u8 {
    // SAFETY: Not upheld, on purpose.
    unsafe { *numbers.get_unchecked(3) }
}

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        core::hint::black_box(read_behind(&core::hint::black_box([0; 4])[..2]));
        Ok(Broken)
    }
}
