// SPDX-License-Identifier: GPL-2.0

//! A worker: a thread that runs queued work items, at once or after a delay.
//!
//! Its work item is a heart that beats in the log: it queues itself again each time.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::msecs_to_jiffies, //
};
use kthread::{
    Builder,
    Context,
    Policy,
    ThreadGroup,
    Work,
    WorkItem,
    Worker, //
};

threaded_module! {
    type: KthreadWorker,
    threads: THREADS,
    name: "kthread_worker",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread with work that is delayed",
    license: "GPL",
}

/// Milliseconds between two beats.
const PERIOD_MS: u32 = 100;

struct Heart {
    worker: Arc<Worker>,
    beats: Atomic<u64>,
}

impl WorkItem for Heart {
    fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
        let beats = this.beats.fetch_add(1, Relaxed) + 1;
        pr_info!("beat {beats}\n");

        // Refused while it is being cancelled, in which case it does not continue.
        let _ = this
            .worker
            .queue_delayed(this.clone(), msecs_to_jiffies(PERIOD_MS));
    }
}

struct KthreadWorker {
    heart: Arc<Work<Heart>>,
    _threads: ThreadGroup,
}

impl kernel::Module for KthreadWorker {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let threads = ThreadGroup::for_module(&THREADS)?;
        let worker = Builder::new(fmt!("heart"))
            .policy(Policy::FifoLow)
            .spawn_worker(&threads)?;
        let heart = Heart {
            worker: Arc::new(worker, GFP_KERNEL)?,
            beats: Atomic::new(0),
        };
        let heart = Work::new_arc(heart, GFP_KERNEL)?;

        heart.worker.queue(heart.clone())?;
        Ok(Self {
            heart,
            _threads: threads,
        })
    }
}

impl Drop for KthreadWorker {
    fn drop(&mut self) {
        // The group would stop the worker anyway. Cancelling also returns the work item.
        let cancelled = self.heart.worker.cancel_sync(&self.heart);
        pr_info!(
            "stopped after {} beats, another was queued: {}\n",
            self.heart.beats.load(Relaxed),
            matches!(cancelled, Ok(Some(_)))
        );
    }
}
