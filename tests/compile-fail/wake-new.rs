// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `wake` found for struct

//! A new thread is started, not woken.

use api::kthread::*;

pub fn case(thread: NewThread<()>) {
    #[cfg(fixed)]
    let thread = thread.start();
    thread.wake();
}
