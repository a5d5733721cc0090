// SPDX-License-Identifier: GPL-2.0
//
// error: E0133: call to unsafe function

//! The finder of a queue promises that it stays valid while a thread waits on it.

use api::kthread::*;
use kernel::bindings;

pub fn case(queue: *mut bindings::wait_queue_head) {
    #[cfg(not(fixed))]
    let queue = WaitQueue::from_raw(queue);
    #[cfg(fixed)]
    // SAFETY: It is only compiled.
    let queue = unsafe { WaitQueue::from_raw(queue) };
    queue.wake_up_all();
}
