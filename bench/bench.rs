// SPDX-License-Identifier: GPL-2.0

//! The Rust side of the benchmark, and the module that holds both sides.
//!
//! The operations are those of `twin.c`, with the same names, implemented with `kthread/` and
//! `stats/`.

#[path = "../debugfs/mod.rs"]
pub mod debugfs;
#[path = "../kthread/mod.rs"]
pub mod kthread;
#[path = "../stats/mod.rs"]
#[allow(dead_code)]
mod stats;

use kernel::{
    error::to_result,
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};
use kthread::{
    Builder,
    Completion,
    Context,
    ThreadGroup,
    Wake,
    Waker,
    Work,
    WorkItem,
    Worker, //
};
use stats::{
    clock::monotonic_ns,
    counters::{
        Kind,
        Totals,
        WorkerStats, //
    },
    latency::{
        Latency,
        Measure, //
    },
    single_writer::SingleWriter, //
};

module! {
    type: Bench,
    name: "kthread_bench",
    authors: ["The rust_kthread_demo authors"],
    description: "Kernel threads in Rust and in C, side by side",
    license: "GPL",
}

/// `struct bench_op` of `bench.h`.
#[repr(C)]
pub struct Op {
    name: *const c_char,
    run: Option<unsafe extern "C" fn(u32, *mut u64) -> c_int>,
}

// SAFETY: The name is a static string.
unsafe impl Sync for Op {}

extern "C" {
    fn bench_free_bytes() -> u64;
    fn bench_free_deferred() -> u64;
    fn bench_load() -> c_int;
    fn bench_quantiles(values: *mut u64, n: u32, ns: *mut u64);
    fn bench_unload();
    fn bench_init();
    fn bench_exit();
}

/// `BENCH_VALUES` of `bench.h`.
const VALUES: usize = 8;

/// The result of an operation.
trait Figures {
    /// Returns the number of figures.
    ///
    /// # Safety
    ///
    /// `to` must be valid for writes of [`VALUES`].
    unsafe fn put(self, to: *mut u64) -> c_int;
}

impl Figures for u64 {
    unsafe fn put(self, to: *mut u64) -> c_int {
        // SAFETY: The caller guarantees that `to` is valid for writes.
        unsafe { to.write(self) };
        1
    }
}

impl<const N: usize> Figures for [u64; N] {
    unsafe fn put(self, to: *mut u64) -> c_int {
        const { assert!(N <= VALUES) };
        // SAFETY: The caller guarantees that `to` is valid for writes.
        unsafe { to.cast::<Self>().write(self) };
        N as c_int
    }
}

/// Defines the table of operations from functions `fn(u32, &ThreadGroup) -> Result<impl Figures>`,
/// which return the nanoseconds of the measured part.
macro_rules! operations {
    ($($name:ident)*) => {
        #[no_mangle]
        static bench_rust_ops: [Op; [$(stringify!($name)),*].len() + 1] = [
            $(Op {
                name: concat!(stringify!($name), "\0").as_ptr(),
                run: {
                    /// # Safety
                    ///
                    /// The requirements of [`Figures::put`].
                    unsafe extern "C" fn run(n: u32, ns: *mut u64) -> c_int {
                        match with_group(n, $name) {
                            // SAFETY: The caller guarantees what `Figures::put` requires.
                            Ok(took) => unsafe { took.put(ns) },
                            Err(error) => error.to_errno(),
                        }
                    }
                    Some(run)
                },
            },)*
            Op {
                name: core::ptr::null(),
                run: None,
            },
        ];
    };
}

operations! {
    create_start_stop
    create
    spawn_join
    park_unpark
    ping_pong
    complete_wait
    queue_flush
    delayed_cancel
    delayed_mod
    should_stop
    stats_update
    histogram_record
    scale
    stop_slow
    wake_load
    workqueue_queue
}

fn with_group<R>(n: u32, run: fn(u32, &ThreadGroup) -> Result<R>) -> Result<R> {
    // SAFETY: The group is dropped when this function returns.
    let group = unsafe { ThreadGroup::new()? };

    run(n, &group)
}

fn wait_for_stop(ctx: &Context<'_>) {
    while ctx.wait() != Wake::Stop {}
}

fn create_start_stop(n: u32, group: &ThreadGroup) -> Result<u64> {
    let since = monotonic_ns();

    for _ in 0..n {
        Builder::new(fmt!("bench"))
            .create(group, wait_for_stop)?
            .start()
            .stop()?;
    }
    Ok(monotonic_ns() - since)
}

fn create(n: u32, group: &ThreadGroup) -> Result<u64> {
    let mut threads = KVVec::with_capacity(n as usize, GFP_KERNEL)?;
    let since = monotonic_ns();

    for _ in 0..n {
        threads.push(
            Builder::new(fmt!("bench")).create(group, wait_for_stop)?,
            GFP_KERNEL,
        )?;
    }
    Ok(monotonic_ns() - since)
}

fn spawn_join(n: u32, group: &ThreadGroup) -> Result<u64> {
    let since = monotonic_ns();

    for i in 0..n {
        if group.spawn(fmt!("bench"), move |_| u64::from(i))?.join()? != u64::from(i) {
            return Err(EIO);
        }
    }
    Ok(monotonic_ns() - since)
}

fn park_unpark(n: u32, group: &ThreadGroup) -> Result<u64> {
    let mut thread = group.spawn(fmt!("bench"), wait_for_stop)?;
    // The first one waits until the thread runs.
    thread.park()?;
    thread.unpark()?;

    let since = monotonic_ns();
    for _ in 0..n {
        thread.park()?;
        thread.unpark()?;
    }
    Ok(monotonic_ns() - since)
}

fn ping_pong(n: u32, group: &ThreadGroup) -> Result<u64> {
    let peer = Arc::new(SetOnce::<Waker>::new(), GFP_KERNEL)?;
    let back = peer.clone();
    let pong = Builder::new(fmt!("pong")).create(group, move |ctx| {
        while ctx.wait() == Wake::Ready {
            if let Some(ping) = (*back).as_ref() {
                ping.wake();
            }
        }
    })?;
    let there = pong.waker();
    let ping = Builder::new(fmt!("ping")).create(group, move |ctx| {
        let since = monotonic_ns();

        for _ in 0..n {
            there.wake();
            if ctx.wait() == Wake::Stop {
                return 0;
            }
        }
        monotonic_ns() - since
    })?;
    peer.populate(ping.waker());

    let pong = pong.start();
    let took = ping.start().join()?;
    pong.stop()?;
    Ok(took)
}

fn complete_wait(n: u32, _: &ThreadGroup) -> Result<u64> {
    let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
    let since = monotonic_ns();

    for _ in 0..n {
        done.complete();
        done.wait_for_completion();
    }
    Ok(monotonic_ns() - since)
}

/// Counts its runs.
struct Counted(SingleWriter);

impl WorkItem for Counted {
    fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
        this.0.add(1);
    }
}

fn with_worker(
    group: &ThreadGroup,
    run: impl FnOnce(&Worker, &Arc<Work<Counted>>) -> Result<u64>,
) -> Result<u64> {
    let worker = Builder::new(fmt!("bench")).spawn_worker(group)?;
    let work = Work::new_arc(Counted(SingleWriter::new()), GFP_KERNEL)?;

    run(&worker, &work)
}

fn queue_flush(n: u32, group: &ThreadGroup) -> Result<u64> {
    with_worker(group, |worker, work| {
        let since = monotonic_ns();

        for _ in 0..n {
            worker.queue(work.clone())?;
            worker.flush()?;
        }
        let took = monotonic_ns() - since;
        if work.0.get() != u64::from(n) {
            return Err(EIO);
        }
        Ok(took)
    })
}

fn delayed_cancel(n: u32, group: &ThreadGroup) -> Result<u64> {
    with_worker(group, |worker, work| {
        let delay = kernel::time::msecs_to_jiffies(1_000_000);
        let since = monotonic_ns();

        for _ in 0..n {
            worker.queue_delayed(work.clone(), delay)?;
            if worker.cancel_sync(work)?.is_none() {
                return Err(EBUSY);
            }
        }
        Ok(monotonic_ns() - since)
    })
}

fn delayed_mod(n: u32, group: &ThreadGroup) -> Result<u64> {
    with_worker(group, |worker, work| {
        let delay = kernel::time::msecs_to_jiffies(1_000_000);
        worker.queue_delayed(work.clone(), delay)?;

        let second = kernel::time::msecs_to_jiffies(1000);
        let since = monotonic_ns();
        for i in 0..n {
            worker.mod_delayed(work.clone(), delay + (i % 2) as usize * second)?;
        }
        let took = monotonic_ns() - since;
        worker.cancel_sync(work)?;
        Ok(took)
    })
}

fn should_stop(n: u32, group: &ThreadGroup) -> Result<u64> {
    let thread = group.spawn(fmt!("bench"), move |ctx| {
        let since = monotonic_ns();

        for _ in 0..n {
            if ctx.should_stop() {
                break;
            }
        }
        monotonic_ns() - since
    })?;
    Ok(thread.join()?)
}

fn stats_update(n: u32, _: &ThreadGroup) -> Result<u64> {
    let stats = KBox::new(WorkerStats::new(Kind::Event), GFP_KERNEL)?;
    let since = monotonic_ns();

    for i in (0..n).rev() {
        stats.add_run(Delta::from_nanos(i64::from(i)));
    }
    Ok(monotonic_ns() - since)
}

fn histogram_record(n: u32, _: &ThreadGroup) -> Result<u64> {
    let latency = KBox::new(Latency::default(), GFP_KERNEL)?;
    let since = monotonic_ns();

    for i in (0..n).rev() {
        latency.record(Measure::Wake, Delta::from_nanos(i64::from(i)));
    }
    Ok(monotonic_ns() - since)
}

/// The number of threads that have not yet been woken.
#[pin_data]
struct Crowd {
    left: Atomic<i32>,
    #[pin]
    done: Completion,
}

/// Measures the time between its calls.
struct Laps(u64);

impl Laps {
    fn lap(&mut self) -> u64 {
        let now = monotonic_ns();

        now - core::mem::replace(&mut self.0, now)
    }
}

/// The times to create, start, wake, park, unpark and stop all, and their memory in bytes.
fn scale(n: u32, _: &ThreadGroup) -> Result<[u64; 7]> {
    // SAFETY: The group is dropped when this function returns.
    let mut group = unsafe { ThreadGroup::new()? };
    let mut created = KVVec::with_capacity(n as usize, GFP_KERNEL)?;
    let mut threads = KVVec::with_capacity(n as usize, GFP_KERNEL)?;
    let crowd = Arc::pin_init(
        pin_init!(Crowd {
            left: Atomic::new(0),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let mut figures = [0; 7];

    // SAFETY: This may be called at any time.
    let bytes = unsafe { bench_free_bytes() };
    let mut laps = Laps(monotonic_ns());
    for _ in 0..n {
        let crowd = crowd.clone();
        created.push(
            Builder::new(fmt!("bench")).create(&group, move |ctx| loop {
                if crowd.left.fetch_sub(1, Full) == 1 {
                    crowd.done.complete();
                }
                if ctx.wait() == Wake::Stop {
                    return;
                }
            })?,
            GFP_KERNEL,
        )?;
    }
    figures[0] = laps.lap();
    crowd.left.store(n as i32, Relaxed);
    for thread in created {
        threads.push(thread.start(), GFP_KERNEL)?;
    }
    crowd.done.wait_for_completion();
    figures[1] = laps.lap();
    // SAFETY: This may be called at any time.
    figures[6] = bytes.saturating_sub(unsafe { bench_free_bytes() });
    laps.lap();

    crowd.left.store(n as i32, Relaxed);
    for thread in &threads {
        thread.wake();
    }
    crowd.done.wait_for_completion();
    figures[2] = laps.lap();
    for thread in &mut threads {
        thread.park()?;
    }
    figures[3] = laps.lap();
    for thread in &mut threads {
        thread.unpark()?;
    }
    figures[4] = laps.lap();
    group.stop_all();
    drop(threads);
    // SAFETY: This may be called at any time.
    figures[5] = laps.lap() + unsafe { bench_free_deferred() };
    Ok(figures)
}

/// Stops threads that each need 10 ms to stop, all at once.
fn stop_slow(n: u32, _: &ThreadGroup) -> Result<u64> {
    // SAFETY: The group is dropped when this function returns.
    let mut group = unsafe { ThreadGroup::new()? };

    for _ in 0..n {
        let mut thread = group.spawn(fmt!("bench"), |ctx| {
            wait_for_stop(ctx);
            fsleep(Delta::from_millis(10));
        })?;
        // It has started when it can be parked.
        drop(thread.park_guard()?);
        // The group stops it.
        core::mem::forget(thread);
    }
    let since = monotonic_ns();
    group.stop_all();
    Ok(monotonic_ns() - since)
}

/// When the last wake-up was, and whether it has led to a run.
#[pin_data]
struct Woken {
    since: Atomic<u64>,
    #[pin]
    ran: Completion,
}

/// Threads that never sleep, until this is dropped.
struct Load;

impl Load {
    fn new() -> Result<Self> {
        // SAFETY: One operation runs at a time.
        to_result(unsafe { bench_load() })?;
        Ok(Self)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // SAFETY: The threads are running.
        unsafe { bench_unload() };
    }
}

/// The times from a wake-up to the run of the thread, among others that never sleep.
fn wake_load(n: u32, group: &ThreadGroup) -> Result<[u64; VALUES]> {
    let woken = Arc::pin_init(
        pin_init!(Woken {
            since: Atomic::new(0),
            ran <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let there = woken.clone();
    let mut values = KVVec::with_capacity(n as usize, GFP_KERNEL)?;
    let mut thread = group.spawn(fmt!("bench"), move |ctx| {
        while ctx.wait() == Wake::Ready {
            let took = monotonic_ns() - there.since.load(Relaxed);
            // There is room for one value for each wake-up.
            let _ = values.push_within_capacity(took);
            there.ran.complete();
        }
        values
    })?;
    // It has started when it can be parked.
    drop(thread.park_guard()?);
    let load = Load::new()?;

    for _ in 0..n {
        woken.since.store(monotonic_ns(), Relaxed);
        thread.wake();
        woken.ran.wait_for_completion();
    }
    drop(load);
    let mut values = thread.stop()?;
    if values.len() != n as usize {
        return Err(EIO);
    }
    let mut figures = [0; VALUES];
    // SAFETY: There are `n` values, and room for the figures.
    unsafe { bench_quantiles(values.as_mut_ptr(), n, figures.as_mut_ptr()) };
    Ok(figures)
}

/// Does the same as [`queue_flush`] with a workqueue, which has no flush in Rust.
#[pin_data]
struct Queued {
    #[pin]
    work: workqueue::Work<Queued>,
    #[pin]
    done: Completion,
}

workqueue::impl_has_work! {
    impl HasWork<Self> for Queued { self.work }
}

impl workqueue::WorkItem for Queued {
    type Pointer = Arc<Queued>;

    fn run(this: Arc<Queued>) {
        this.done.complete();
    }
}

fn workqueue_queue(n: u32, _: &ThreadGroup) -> Result<u64> {
    let queued = Arc::pin_init(
        pin_init!(Queued {
            work <- workqueue::new_work!("bench"),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let since = monotonic_ns();

    for _ in 0..n {
        workqueue::system()
            .enqueue(queued.clone())
            .map_err(|_| EBUSY)?;
        queued.done.wait_for_completion();
    }
    Ok(monotonic_ns() - since)
}

struct Bench {
    _stats: debugfs::File,
    _root: debugfs::Root,
}

/// The file `stats_rust`.
struct Stats;

impl debugfs::Show for Stats {
    type Data = Totals;

    fn show(totals: &Totals, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(totals, f)
    }
}

impl kernel::Module for Bench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The root is part of the module, and dropped with it, or at the end of this
        // function.
        let root = unsafe { debugfs::Root::new(c"kthread_bench_rust")? };
        let totals = Arc::pin_init(Totals::new(), GFP_KERNEL)?;

        let stats = debugfs::File::read_only::<Stats>(c"stats", root.dir(), totals)?;

        // SAFETY: This is called once.
        unsafe { bench_init() };
        Ok(Self {
            _stats: stats,
            _root: root,
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // SAFETY: This is called once, after `bench_init()`.
        unsafe { bench_exit() };
    }
}
