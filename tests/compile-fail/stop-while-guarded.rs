// SPDX-License-Identifier: GPL-2.0
//
// error: E0505: cannot move out of `thread`

//! The guard of a parked thread is dropped before the thread.

use api::kthread::*;

pub fn case(mut thread: Thread<()>) {
    let guard = thread.park_guard();
    #[cfg(fixed)]
    drop(guard);
    let _ = thread.stop();
    #[cfg(not(fixed))]
    drop(guard);
}
