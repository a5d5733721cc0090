// SPDX-License-Identifier: GPL-2.0

//! Stress test and benchmark of workqueues.
//!
//! A thread on each CPU queues work items to an unbound workqueue, one after the other, and measures
//! the time, for each affinity scope of the workqueue.
//!
//! Port of [`lib/test_workqueue.c`](srctree/lib/test_workqueue.c).

mod cpu;
#[path = "../kthread/mod.rs"]
mod kthread;
mod own_queue;
mod param;
mod write_file;

use cpu::online_cpus;
use kernel::{
    cpu::CpuId,
    impl_has_work,
    new_work,
    prelude::*,
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    },
    workqueue::{
        Queue,
        Work,
        WorkItem, //
    }, //
};
use kthread::{
    Builder,
    Completion,
    Placement, //
};
use own_queue::OwnQueue;
use param::value;
use write_file::write_file;

module! {
    type: TestWorkqueue,
    name: "rust_test_workqueue",
    authors: ["The rust_kthread_demo authors"],
    description: "Stress/performance benchmark for workqueue subsystem",
    license: "GPL",
    params: {
        nr_threads: usize {
            default: 0,
            description: "Number of threads to spawn (default: 0 = one on each CPU)",
        },
        wq_items: usize {
            default: 50000,
            description: "Number of work items each thread queues (default: 50000)",
        },
    },
}

const SCOPE_PATH: &CStr = c"/sys/bus/workqueue/devices/rust_bench_wq/affinity_scope";
const SCOPES: [&str; 6] = ["cpu", "smt", "cache_shard", "cache", "numa", "system"];

#[pin_data]
struct Item {
    #[pin]
    work: Work<Item>,
    #[pin]
    done: Completion,
}

impl_has_work! {
    impl HasWork<Self> for Item { self.work }
}

impl WorkItem for Item {
    type Pointer = Arc<Item>;

    fn run(this: Arc<Item>) {
        this.done.complete();
    }
}

impl Item {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                work <- new_work!("bench"),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }
}

/// Queues a work item for each of `latencies`, and stores the time it took.
fn bench(queue: &Queue, start: &Completion, latencies: &mut [u64]) -> Result {
    // An item that may still be running would be queued where it runs. C reinitialises it for that.
    let items = [Item::new()?, Item::new()?];

    // Wait until all threads exist, or their creation has failed.
    start.wait_interruptible()?;
    for (latency, item) in latencies.iter_mut().zip(items.iter().cycle()) {
        let begin = Instant::<Monotonic>::now();

        // The item is not queued, as it has been waited for.
        let _ = queue.enqueue(item.clone());
        // CAST: The duration is not negative.
        *latency = begin.elapsed().as_nanos() as u64;
        item.done.wait_for_completion();
    }
    Ok(())
}

/// Runs a round with `scope`.
fn run(queue: &Queue, cpus: &[CpuId], items: usize, scope: &str) -> Result {
    write_file(SCOPE_PATH, scope)?;

    let total = cpus.len().checked_mul(items).ok_or(EINVAL)?;
    let mut latencies = KVVec::from_elem(0, total, GFP_KERNEL)?;
    let start = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
    let elapsed = kthread::scope(|s| -> Result<i64> {
        let mut threads = KVec::with_capacity(cpus.len(), GFP_KERNEL)?;

        for (&cpu, latencies) in cpus.iter().zip(latencies.chunks_mut(items)) {
            let start = &start;
            let thread = Builder::new(fmt!("wq_bench/{}", cpu.as_u32()))
                .placement(Placement::Cpu(cpu))
                .spawn_scoped(s, move |_ctx| bench(queue, start, latencies))?;

            threads.push(thread, GFP_KERNEL)?;
        }

        let begin = Instant::<Monotonic>::now();
        start.complete_all();
        for thread in threads {
            thread.join()??;
        }
        Ok(begin.elapsed().as_micros_ceil().max(1))
    })??;

    latencies.sort_unstable();
    let at = |percent| latencies[total * percent / 100];
    pr_info!(
        "  {scope:<16} {} items/sec\tp50={}\tp90={}\tp95={} ns\n",
        // CAST: Neither value is negative.
        total as u64 * 1_000_000 / elapsed as u64,
        at(50),
        at(90),
        at(95)
    );
    Ok(())
}

struct TestWorkqueue;

impl kernel::Module for TestWorkqueue {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let items = value::<usize>(module_parameters::wq_items.value());
        let threads = match value::<usize>(module_parameters::nr_threads.value()) {
            0 => usize::MAX,
            threads => threads,
        };
        let mut cpus = KVec::new();

        if items == 0 {
            pr_err!("wq_items must be > 0\n");
            return Err(EINVAL);
        }
        for cpu in online_cpus().take(threads) {
            cpus.push(cpu, GFP_KERNEL)?;
        }

        let queue = OwnQueue::new(c"rust_bench_wq")?;
        pr_info!("running {} threads, {items} items/thread\n", cpus.len());
        for scope in SCOPES {
            if let Err(error) = run(&queue, &cpus, items, scope) {
                pr_err!("{scope}: {error:?}\n");
            }
        }
        // Refuse to stay loaded after the benchmark.
        Err(EAGAIN)
    }
}
