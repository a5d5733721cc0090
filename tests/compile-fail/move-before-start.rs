// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `set_cpus` found for struct

//! The builder places a new thread. In C its first wake-up undoes a later placement.

use api::kthread::*;
use kernel::{
    cpumask::Cpumask,
    prelude::*, //
};

pub fn case(thread: NewThread<()>, cpus: &Cpumask) -> Result {
    #[cfg(fixed)]
    let thread = thread.start();
    thread.set_cpus(cpus)
}
