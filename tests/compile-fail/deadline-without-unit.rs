// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! Times have a unit. In C they are nanoseconds, without a hint where they are set.

use api::kthread::*;
use kernel::{
    prelude::*,
    time::Delta, //
};

pub fn case(thread: &Thread<()>, period: i64) -> Result {
    #[cfg(fixed)]
    let period = Delta::from_nanos(period);
    thread.set_policy(Policy::Deadline {
        runtime: Delta::from_millis(1),
        deadline: Delta::from_millis(2),
        period,
    })
}
