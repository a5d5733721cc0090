// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `task` found for struct

//! A wake-up would start a new thread, and every holder of a task can wake it.

use api::kthread::*;

pub fn case(thread: NewThread<()>) {
    #[cfg(fixed)]
    let thread = thread.start();
    thread.task().wake_up();
}
