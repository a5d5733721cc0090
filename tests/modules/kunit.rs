// SPDX-License-Identifier: GPL-2.0

//! The KUnit suites of `kthread/`.

#[path = "../../kthread/mod.rs"]
pub mod kthread;

use kernel::prelude::*;

module! {
    type: Suites,
    name: "kthread_kunit",
    authors: ["The rust_kthread_demo authors"],
    description: "The KUnit suites of kthread/",
    license: "GPL",
}

struct Suites;

impl kernel::Module for Suites {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
