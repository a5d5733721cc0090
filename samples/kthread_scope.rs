// SPDX-License-Identifier: GPL-2.0

//! Threads that borrow from the function that starts them, and end before it continues.
//!
//! Two of them each add up one half of an array on the caller's stack.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::prelude::*;

module! {
    type: KthreadScope,
    name: "kthread_scope",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: kernel threads that borrow",
    license: "GPL",
}

struct KthreadScope;

impl kernel::Module for KthreadScope {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let numbers: [u64; 100] = core::array::from_fn(|n| n as u64 + 1);
        let (low, high) = numbers.split_at(50);

        let sum = kthread::scope(|scope| -> Result<u64> {
            // Neither `Arc` nor `'static`: the slices are borrowed.
            let low = scope.spawn(fmt!("low"), |_ctx| low.iter().sum::<u64>())?;
            let high = scope.spawn(fmt!("high"), |_ctx| high.iter().sum::<u64>())?;

            Ok(low.join()? + high.join()?)
        })??;

        pr_info!("the sum of 1 to 100 is {sum}\n");
        Ok(Self)
    }
}
