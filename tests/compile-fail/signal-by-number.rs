// SPDX-License-Identifier: GPL-2.0
//
// error: E0308: mismatched types

//! A number may be no signal, or one that is never sent to a kernel thread.

use api::kthread::*;
use kernel::prelude::*;

pub fn case(builder: Builder<'_>, number: u32) -> Result {
    #[cfg(not(fixed))]
    let signal = number;
    #[cfg(fixed)]
    let signal = Signal::from_number(number)?;
    let _ = builder.allow(signal);
    Ok(())
}
