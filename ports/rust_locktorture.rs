// SPDX-License-Identifier: GPL-2.0

//! Tortures locks.
//!
//! Many threads take one lock repeatedly, and check that no other thread holds it. Now and then one
//! of them becomes a real-time thread for a while, all of them pause, and another thread reports.
//!
//! Port of [`kernel/locking/locktorture.c`](srctree/kernel/locking/locktorture.c) for spinlocks and
//! mutexes, and of the parts of [`kernel/torture.c`](srctree/kernel/torture.c) that it uses.

mod cpu;
#[path = "../kthread/mod.rs"]
mod kthread;
mod param;

use cpu::online_cpus;
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
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
    Context,
    Policy,
    ThreadGroup,
    Wake, //
};
use param::value;

threaded_module! {
    type: LockTorture,
    threads: THREADS,
    name: "rust_locktorture",
    authors: ["The rust_kthread_demo authors"],
    description: "torture test facility for locking",
    license: "GPL",
    params: {
        mutex: bool {
            default: false,
            description: "Torture a mutex instead of a spinlock",
        },
        nwriters_stress: i32 {
            default: -1,
            description: "Number of write-locking stress-test threads",
        },
        long_hold: u32 {
            default: 100,
            description: "Do occasional long hold of lock (ms), 0=disable",
        },
        rt_boost: bool {
            default: true,
            description: "Do periodic rt-boost",
        },
        rt_boost_factor: u32 {
            default: 50,
            description: "A factor determining how often rt-boost happens",
        },
        stat_interval: u32 {
            default: 60,
            description: "Number of seconds between stats, 0=disable",
        },
        stutter_ms: u32 {
            default: 50,
            description: "Number of milliseconds to run/halt test, 0=disable",
        },
    },
}

/// The generator of `torture_random()`.
struct Random {
    state: u64,
    left: u32,
    begin: Instant<Monotonic>,
}

impl Random {
    fn new() -> Self {
        Self {
            state: 0,
            left: 0,
            begin: Instant::now(),
        }
    }

    fn next(&mut self) -> u64 {
        if self.left == 0 {
            // CAST: Any seed is fine.
            let seed = self.begin.elapsed().as_nanos() as u64;

            self.state = self.state.wrapping_add(seed);
            self.left = 10_000;
        }
        self.left -= 1;
        self.state = self
            .state
            .wrapping_mul(39_916_801)
            .wrapping_add(479_001_701);
        // Swap the halves of the lower word.
        u64::from((self.state as u32).rotate_left(16))
    }

    /// Returns true once in `n` calls on average.
    fn one_in(&mut self, n: u64) -> bool {
        self.next() % n.max(1) == 0
    }
}

/// The counters of a writer, which only that writer changes.
struct Stats {
    acquired: Atomic<u64>,
    failed: Atomic<u64>,
}

impl Stats {
    fn increment(count: &Atomic<u64>) {
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

#[pin_data]
struct Torture {
    #[pin]
    spinlock: SpinLock<()>,
    #[pin]
    mutex: Mutex<()>,
    is_held: Atomic<bool>,
    stats: KVec<Stats>,
    begin: Instant<Monotonic>,
    // Nanoseconds after `begin`.
    pause_until: Atomic<i64>,
}

impl Torture {
    /// Calls `f` with the lock held.
    fn with_lock(&self, f: impl FnOnce()) {
        if value::<bool>(module_parameters::mutex.value()) {
            let _held = self.mutex.lock();
            f();
        } else {
            let _held = self.spinlock.lock();
            f();
        }
    }

    /// Holds the lock for a while: usually not at all, often briefly, and rarely for long.
    fn delay(&self, random: &mut Random) {
        let writers = self.stats.len() as u64;
        let mut long_hold = u64::from(value::<u32>(module_parameters::long_hold.value()));

        if long_hold > 0 && random.one_in(writers * 2000 * long_hold) {
            if value::<bool>(module_parameters::mutex.value()) {
                long_hold *= 5;
            }
            for _ in 0..long_hold {
                udelay(Delta::from_millis(1));
            }
        }
        if !value::<bool>(module_parameters::mutex.value()) && random.one_in(writers * 400) {
            udelay(Delta::from_micros(2));
        }
    }

    /// Becomes a real-time thread now and then, and an ordinary one again later.
    fn boost(&self, ctx: &Context<'_>, random: &mut Random, is_boosted: &mut bool) -> Result {
        let often = self.stats.len() as u64
            * u64::from(value::<u32>(module_parameters::rt_boost_factor.value()).max(1));

        if !value::<bool>(module_parameters::rt_boost.value()) {
            return Ok(());
        }
        if !*is_boosted && random.one_in(often) {
            ctx.set_policy(Policy::Fifo)?;
            *is_boosted = true;
        } else if *is_boosted && random.one_in(often * 2) {
            ctx.set_policy(Policy::Normal { nice: 0 })?;
            *is_boosted = false;
        }
        Ok(())
    }

    /// Takes the lock repeatedly until the thread is asked to stop.
    fn write(&self, ctx: &Context<'_>, number: usize) -> Result {
        let stats = &self.stats[number];
        let mut random = Random::new();
        let mut is_boosted = false;

        ctx.set_nice(19)?;
        while !ctx.should_stop() {
            if random.one_in(0x10_0000) {
                fsleep(Delta::from_millis(10));
            }
            self.boost(ctx, &mut random, &mut is_boosted)?;
            self.with_lock(|| {
                if self.is_held.load(Relaxed) {
                    Stats::increment(&stats.failed);
                }
                self.is_held.store(true, Relaxed);
                Stats::increment(&stats.acquired);
                self.delay(&mut random);
                self.is_held.store(false, Relaxed);
            });
            self.pause(ctx);
        }
        Ok(())
    }

    /// Sleeps while all threads have to pause.
    fn pause(&self, ctx: &Context<'_>) {
        ctx.yield_point();
        let until = self.begin + Delta::from_nanos(self.pause_until.load(Relaxed));

        if (until - Instant::now()).as_nanos() > 0 {
            let _ = ctx.wait_deadline(Some(until));
        }
    }

    /// Makes all threads pause and run alternately.
    fn stutter(&self, ctx: &Context<'_>, period: Delta) {
        loop {
            let now = self.begin.elapsed().as_nanos();

            self.pause_until.store(now + period.as_nanos(), Relaxed);
            if ctx.wait_timeout(period + period) == Wake::Stop {
                break;
            }
        }
        self.pause_until.store(0, Relaxed);
    }

    /// Prints the counters, and returns whether there was no error.
    fn report(&self) -> bool {
        let acquired = || self.stats.iter().map(|stats| stats.acquired.load(Relaxed));
        let failed = self
            .stats
            .iter()
            .any(|stats| stats.failed.load(Relaxed) > 0);
        let (max, min) = (acquired().max().unwrap_or(0), acquired().min().unwrap_or(0));

        pr_alert!(
            "Writes:  Total: {}  Max/Min: {max}/{min} {}  Fail: {} {}\n",
            acquired().sum::<u64>(),
            if max / 2 > min { "???" } else { "" },
            i32::from(failed),
            if failed { "!!!" } else { "" }
        );
        !failed
    }
}

struct LockTorture {
    torture: Arc<Torture>,
    threads: ThreadGroup,
}

impl kernel::Module for LockTorture {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let writers = match value::<i32>(module_parameters::nwriters_stress.value()) {
            0 => return Err(EINVAL),
            // CAST: The value is positive.
            writers @ 1.. => writers as usize,
            _ => 2 * online_cpus().count(),
        };
        let mut stats = KVec::with_capacity(writers, GFP_KERNEL)?;
        for _ in 0..writers {
            stats.push(
                Stats {
                    acquired: Atomic::new(0),
                    failed: Atomic::new(0),
                },
                GFP_KERNEL,
            )?;
        }

        let torture = Arc::pin_init(
            pin_init!(Torture {
                spinlock <- new_spinlock!(()),
                mutex <- new_mutex!(()),
                is_held: Atomic::new(false),
                stats,
                begin: Instant::now(),
                pause_until: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?;
        let threads = ThreadGroup::for_module(&THREADS)?;

        pr_alert!("--- Start of test: nwriters_stress={writers}\n");
        let period = Delta::from_millis(i64::from(value::<u32>(
            module_parameters::stutter_ms.value(),
        )));
        if !period.is_zero() {
            let shared = torture.clone();
            threads
                .spawn(fmt!("rust_stutter"), move |ctx| shared.stutter(ctx, period))?
                .detach();
        }
        for number in 0..writers {
            let shared = torture.clone();
            threads
                .spawn(fmt!("rust_torture_wr"), move |ctx| {
                    shared.write(ctx, number)
                })?
                .detach();
        }
        let interval = Delta::from_secs(i64::from(value::<u32>(
            module_parameters::stat_interval.value(),
        )));
        if !interval.is_zero() {
            let shared = torture.clone();
            threads
                .spawn(fmt!("rust_torture_st"), move |ctx| {
                    while ctx.wait_timeout(interval) != Wake::Stop {
                        shared.report();
                    }
                })?
                .detach();
        }
        Ok(Self { torture, threads })
    }
}

impl Drop for LockTorture {
    fn drop(&mut self) {
        // Stop all threads at once.
        self.threads.stop_all();
        let end = match self.torture.report() {
            true => "SUCCESS",
            false => "FAILURE",
        };

        pr_alert!("--- End of test: {end}\n");
    }
}
