// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `interrupt` found for struct

//! What does not run waits for nothing, and in C this would start it.

use api::kthread::*;

pub fn case(thread: NewThread<()>) {
    #[cfg(fixed)]
    let thread = thread.start();
    thread.interrupt();
}
