// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `task` found for struct

//! Any wake-up would start a thread that is new, and a task can be woken by all who see it.

use api::kthread::*;

pub fn case(thread: NewThread<()>) {
    #[cfg(fixed)]
    let thread = thread.start();
    thread.task().wake_up();
}
