// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `interrupt` found for struct

//! A new thread has no waits to interrupt, and in C this would start it.

use api::kthread::*;

pub fn case(thread: NewThread<()>) {
    #[cfg(fixed)]
    let thread = thread.start();
    thread.interrupt();
}
