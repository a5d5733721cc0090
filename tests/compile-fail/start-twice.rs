// SPDX-License-Identifier: GPL-2.0
//
// error: E0382: use of moved value: `thread`

//! A thread starts once.

use api::kthread::*;

pub fn case(thread: NewThread<()>) {
    let _ = thread.start();
    #[cfg(not(fixed))]
    let _ = thread.start();
}
