// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `set_cpus` found for struct

//! A thread that is new is placed by its builder. In C its first wake-up undoes what was set.

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
