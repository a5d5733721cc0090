// SPDX-License-Identifier: GPL-2.0

//! Jobs of two priorities under load, and how long each waits to run.
//!
//! A minimum of what GPU drivers do with `drm_sched`: urgent jobs go to a worker with a real-time
//! thread, ordinary ones to another worker, and for comparison the same jobs go to a workqueue,
//! whose threads have the default policy. At the same time more threads than CPUs compute.
//!
//! This is not a port of
//! [`drivers/gpu/drm/scheduler/sched_main.c`](srctree/drivers/gpu/drm/scheduler/sched_main.c).

mod cpu;
#[path = "../kthread/mod.rs"]
mod kthread;
mod own_queue;
mod param;

use cpu::online_cpus;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
    time::{
        delay::{
            fsleep,
            udelay, //
        },
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use kthread::{
    Builder,
    Policy,
    ThreadGroup, //
};
use own_queue::OwnQueue;
use param::value;

threaded_module! {
    type: JobQueue,
    threads: THREADS,
    name: "rust_job_queue",
    authors: ["The rust_kthread_demo authors"],
    description: "Jobs of two priorities, under load",
    license: "GPL",
    params: {
        jobs: usize {
            default: 500,
            description: "How many jobs of each kind",
        },
    },
}

/// The waiting time of each job, in the order of execution.
#[pin_data]
struct Log {
    name: &'static str,
    #[pin]
    waits: SpinLock<KVec<(usize, i64)>>,
}

impl Log {
    fn new(name: &'static str, jobs: usize) -> Result<Arc<Self>> {
        let waits = KVec::with_capacity(jobs, GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                name,
                waits <- new_spinlock!(waits),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns a job that starts to wait now.
    fn job(self: &Arc<Self>, number: usize) -> impl FnOnce() + Send + 'static {
        let log = self.clone();
        let queued = Instant::<Monotonic>::now();

        move || {
            let waited = queued.elapsed().as_nanos();

            // There is room for all. A failure shows as a missing job.
            let _ = log.waits.lock().push_within_capacity((number, waited));
            udelay(Delta::from_micros(100));
        }
    }

    fn report(&self, jobs: usize) -> Result {
        let mut waits = KVec::with_capacity(jobs, GFP_KERNEL)?;
        let mut in_order = true;

        for (index, (number, waited)) in self.waits.lock().iter().enumerate() {
            in_order &= index == *number;
            waits.push_within_capacity(*waited)?;
        }
        pr_info!(
            "{}: {} of {jobs} jobs ran, {}\n",
            self.name,
            waits.len(),
            if in_order { "in order" } else { "not in order" }
        );
        waits.sort_unstable();
        if let Some(last) = waits.len().checked_sub(1) {
            for percent in (0..=100).filter(|percent| percent % 5 == 0 || *percent == 99) {
                pr_info!(
                    "{} {percent} % {} ns\n",
                    self.name,
                    waits[last * percent / 100]
                );
            }
        }
        Ok(())
    }
}

struct JobQueue;

impl kernel::Module for JobQueue {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let jobs = value::<usize>(module_parameters::jobs.value());
        let (urgent, usual, other) = (
            Log::new("urgent", jobs)?,
            Log::new("usual", jobs)?,
            Log::new("workqueue", jobs)?,
        );
        let threads = ThreadGroup::for_module(&THREADS)?;
        let queue = OwnQueue::new(c"rust_job_queue")?;
        let pool = Builder::new(fmt!("rust_jobs"))
            .spawn_pool(&threads, &[Policy::Fifo, Policy::Normal { nice: 0 }])?;

        kthread::scope(|s| -> Result {
            for _ in 0..2 * online_cpus().count() {
                let load = s.spawn(fmt!("rust_load"), |ctx| {
                    while !ctx.should_stop() {
                        ctx.yield_point();
                    }
                })?;

                load.detach();
            }
            // A submitter that the load does not delay.
            Builder::new(fmt!("rust_submit"))
                .policy(Policy::Fifo)
                .spawn_scoped(s, |_ctx| -> Result {
                    for number in 0..jobs {
                        let (first, second, third) =
                            (urgent.job(number), usual.job(number), other.job(number));

                        pool.worker(0)?.spawn(GFP_KERNEL, move |_ctx| first())?;
                        pool.worker(1)?.spawn(GFP_KERNEL, move |_ctx| second())?;
                        queue.try_spawn(GFP_KERNEL, third)?;
                        fsleep(Delta::from_millis(2));
                    }
                    Ok(())
                })?
                .join()?
        })??;
        // Dropping these runs everything that is queued.
        drop((pool, queue));
        for log in [urgent, usual, other] {
            log.report(jobs)?;
        }
        Ok(Self)
    }
}
