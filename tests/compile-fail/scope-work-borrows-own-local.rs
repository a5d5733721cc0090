// SPDX-License-Identifier: GPL-2.0
//
// error: E0597: `local` does not live long enough

//! The work items of a scope run after the locals of the closure that queues them are gone.

use api::kthread::*;
use kernel::{prelude::*, sync::Arc};

pub struct Borrows<'a>(&'a u32);

impl WorkItem for Borrows<'_> {
    fn run(this: &Arc<Work<Self>>, _ctx: &Context<'_>) {
        pr_info!("{}\n", this.0);
    }
}

// What `module!` makes for the macros that print.
const __LOG_PREFIX: &[u8] = b"case\0";

pub fn case() -> Result {
    #[cfg(fixed)]
    let local = 7;

    scope(|s| -> Result {
        #[cfg(not(fixed))]
        let local = 7;
        let worker = Builder::new(fmt!("scoped")).spawn_scoped_worker(s)?;

        worker.queue(Work::new_arc(Borrows(&local), GFP_KERNEL)?)?;
        Ok(())
    })?
}
