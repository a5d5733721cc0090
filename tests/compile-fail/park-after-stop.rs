// SPDX-License-Identifier: GPL-2.0
//
// error: E0382: borrow of moved value: `thread`

//! In C, parking a thread that has exited warns, and parking one that exits never returns.

use api::kthread::*;

pub fn case(mut thread: Thread<()>) {
    let _ = thread.park();
    let _ = thread.stop();
    #[cfg(not(fixed))]
    let _ = thread.park();
}
