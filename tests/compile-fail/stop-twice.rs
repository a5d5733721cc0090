// SPDX-License-Identifier: GPL-2.0
//
// error: E0382: use of moved value: `thread`

//! In C, the second kthread_stop() never returns.

use api::kthread::*;

pub fn case(thread: Thread<()>) {
    let _ = thread.stop();
    #[cfg(not(fixed))]
    let _ = thread.stop();
}
