// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: an assertion of KUnit's fails in a task that runs no test.

use kernel::prelude::*;

module! {
    type: Broken,
    name: "broken_kunit",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

struct Broken;

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let one = 1;
        kernel::kunit_assert!("broken_kunit", c"broken_kunit.rs", 0, one == 2);
        Ok(Self)
    }
}
