// SPDX-License-Identifier: GPL-2.0

//! A thread that checks something periodically, and acts when a limit is crossed.
//!
//! This one checks the available memory, and logs when it falls below `limit_mb`, and when it is
//! enough again.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    time::Delta, //
};
use kthread::{
    Context,
    Thread,
    ThreadGroup,
    Wake, //
};

threaded_module! {
    type: Monitor,
    threads: THREADS,
    name: "kthread_monitor",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread that watches a limit",
    license: "GPL",
    params: {
        limit_mb: u64 {
            default: 64,
            description: "Warn when less memory is available, in MiB",
        },
    },
}

/// The time between two checks.
const PERIOD: Delta = Delta::from_millis(100);

/// The body of the thread, until it is asked to stop.
fn monitor(ctx: &Context<'_>, limit: u64) {
    let mut is_low = false;

    while ctx.wait_timeout(PERIOD) != Wake::Stop {
        // SAFETY: The function only reads counters.
        let pages = unsafe { bindings::si_mem_available() };
        let available = pages.unsigned_abs() as u64 * PAGE_SIZE as u64;

        if is_low != (available < limit) {
            is_low = !is_low;
            let what = if is_low { "too little" } else { "enough again" };
            pr_warn!("{} MiB available, {what}\n", available >> 20);
        }
    }
}

struct Monitor {
    // Dropped first, which stops the thread.
    _thread: Thread<()>,
    _threads: ThreadGroup,
}

impl kernel::Module for Monitor {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let limit = module_parameters::limit_mb.value().saturating_mul(1 << 20);
        let threads = ThreadGroup::for_module(&THREADS)?;

        Ok(Self {
            _thread: threads.spawn(fmt!("monitor"), move |ctx| monitor(ctx, limit))?,
            _threads: threads,
        })
    }
}
