// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: stops a thread with a lock held that the thread takes.

#[path = "../../../kthread/mod.rs"]
mod kthread;

use kernel::{
    new_mutex,
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use kthread::ThreadGroup;

module! {
    type: Broken,
    name: "broken_stop",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

struct Broken;

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is dropped at the end of this.
        let threads = unsafe { ThreadGroup::new()? };
        let lock = Arc::pin_init(new_mutex!(0), GFP_KERNEL)?;
        let taken = lock.clone();

        // It has ended when it is stopped, so that nothing comes of it this time.
        let thread = threads.spawn(fmt!("broken_stop"), move |_| *taken.lock() += 1)?;
        while !thread.is_finished() {
            fsleep(Delta::from_millis(1));
        }
        let _guard = lock.lock();
        let _ = thread.stop();
        Ok(Self)
    }
}
