// SPDX-License-Identifier: GPL-2.0

//! The threads of the demo, and the data about each.

use super::{
    command::{
        Options,
        Place, //
    },
    lifecycle::{
        Event,
        Lifecycle, //
    }, //
};
use crate::{
    kthread::{
        barrier::{
            smp_mb,
            Read, //
        },
        Context,
        Observer,
        Wake, //
    },
    stats::{
        clock::monotonic_ns,
        counters::{
            Kind,
            Totals,
            WorkerStats, //
        },
        latency::{
            Latency,
            Measure, //
        }, //
    }, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// Returns the time since the clock showed `ns`.
pub(super) fn time_since(ns: u64) -> Delta {
    // CAST: The clock is monotonic, and the difference of two times fits.
    Delta::from_nanos(monotonic_ns().wrapping_sub(ns) as i64)
}

/// The data about a worker, which its thread writes and its files show.
///
/// Nothing in it takes a lock, so no reader keeps the thread waiting.
pub(crate) struct Worker {
    pub(super) stats: WorkerStats,
    pub(super) lifecycle: Lifecycle,
    pub(super) latency: Latency,
    totals: Arc<Totals>,
    place: Place,
    observer: SetOnce<Observer>,
    /// Whether it ran on borrowed page tables when it last checked.
    active_mm: Atomic<bool>,
    /// When it was woken for work that it has not begun yet, or 0.
    woken_ns: Atomic<u64>,
}

impl Worker {
    pub(super) fn new(options: &Options, totals: Arc<Totals>) -> Self {
        Self {
            stats: WorkerStats::new(options.kind),
            lifecycle: Lifecycle::new(),
            latency: Latency::default(),
            totals,
            place: options.place,
            observer: SetOnce::new(),
            active_mm: Atomic::new(false),
            woken_ns: Atomic::new(0),
        }
    }

    pub(super) fn set_observer(&self, observer: Observer) {
        // ORDERING: proofs/litmus/once.litmus
        self.observer.populate(observer);
    }

    /// Records that `measure` has taken from `since_ns` until now.
    ///
    /// The thread calls this for `Start` and `Wake`, and the holder of its handle for all others.
    pub(super) fn measure(&self, measure: Measure, since_ns: u64) {
        self.latency.record(measure, time_since(since_ns));
    }

    /// Someone is about to wake the thread.
    pub(super) fn about_to_wake(&self) {
        // ORDERING: proofs/litmus/wakes-time.litmus
        self.lifecycle.record(Event::Woken);
        // An earlier wake-up that it has not answered keeps its time stamp.
        let _ = self.woken_ns.cmpxchg(0, monotonic_ns(), Relaxed);
    }

    /// The thread has woken up, for the first time or to work.
    fn has_woken(&self, measure: Measure) {
        // ORDERING: proofs/litmus/wakes-time.litmus
        let since_ns = self.woken_ns.xchg(0, Relaxed);

        if since_ns != 0 {
            self.measure(measure, since_ns);
        }
    }

    /// Runs until it is asked to stop.
    ///
    /// This is the body of the thread.
    pub(super) fn run(&self, ctx: &Context<'_>) {
        self.has_woken(Measure::Start);
        self.lifecycle.record(Event::FirstRun);
        self.active_mm.store(ctx.identity().active_mm, Relaxed);

        match self.stats.kind() {
            Kind::Periodic { period_us } => self.run_periodic(ctx, period_us),
            _ => self.run_event(ctx),
        }

        self.lifecycle.record(Event::Returned);
    }

    /// Does one unit of work for every wake, and keeps those that are pending while it is parked.
    ///
    /// Wakes that are pending when it is stopped are handled before it returns.
    fn run_event(&self, ctx: &Context<'_>) {
        // ORDERING: proofs/litmus/wakes-stop.litmus
        while ctx.wait_until(|| self.stats.is_work_pending()) == Wake::Ready {
            self.note_thaw(ctx);
            self.answer_wake();
        }
        // No wake comes after the request to stop. As that is visible here, all wakes are.
        smp_mb(Read);
        while self.stats.is_work_pending() {
            self.answer_wake();
        }
    }

    /// Counts that it has been frozen since it last worked.
    fn note_thaw(&self, ctx: &Context<'_>) {
        if ctx.take_thawed() {
            self.stats.add_thaw();
        }
    }

    fn answer_wake(&self) {
        self.has_woken(Measure::Wake);
        self.unit_of_work();
    }

    /// Does one unit of work per period, at times that do not depend on when the last one ended.
    fn run_periodic(&self, ctx: &Context<'_>, period_us: u64) {
        // ORDERING: proofs/litmus/unpark-count.litmus
        // CAST: The parser refuses a period that does not fit.
        let period = Delta::from_micros(period_us as i64);
        let mut deadline = Instant::<Monotonic>::now() + period;
        let mut unparks = self.stats.unparks();

        loop {
            match ctx.wait_deadline(Some(deadline)) {
                Wake::Stop => return,
                Wake::Timeout => {}
                // Nobody interrupts it, it takes no signals, and it does not park itself.
                Wake::Ready | Wake::Interrupt | Wake::Signal(_) | Wake::Park => continue,
            }
            self.note_thaw(ctx);
            // Periods that pass while the worker is parked do not count as missed: the beat starts
            // again.
            if unparks != self.stats.unparks() {
                unparks = self.stats.unparks();
                deadline = Instant::now() + period;
                continue;
            }

            self.unit_of_work();

            deadline = deadline + period;
            let late = deadline.elapsed();
            if late >= Delta::ZERO {
                // The parser refuses a period of zero.
                let missed = late.as_nanos().checked_div(period.as_nanos()).unwrap_or(0) + 1;
                self.stats.add_overruns(missed.unsigned_abs());
                deadline = deadline + period * missed;
            }
        }
    }

    /// Stands for the work of a real thread: hashes a little, without sleeping.
    fn unit_of_work(&self) {
        let start = Instant::<Monotonic>::now();

        #[cfg(kthread_tests)]
        match self.stats.kind() {
            // SAFETY: Violated on purpose: the thread is meant to die of the fault.
            Kind::Oops => _ = unsafe { core::ptr::null::<u8>().read_volatile() },
            Kind::Panic => panic!("a worker that is to die"),
            _ => {}
        }

        let hash = (0..1024u32).fold(0x811c_9dc5u32, |hash, byte| {
            (hash ^ (byte & 0xff)).wrapping_mul(0x0100_0193)
        });
        core::hint::black_box(hash);

        self.stats.add_run(start.elapsed());
        self.totals.runs.fetch_add(1, Relaxed);
    }
}

/// Shows the statistics of a worker.
pub(super) struct Done<'a>(pub(super) &'a Worker);

impl fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: proofs/litmus/once.litmus
        let Self(worker) = self;
        let finished = worker.observer.as_ref().is_some_and(Observer::is_finished);

        worker.stats.show(finished, f)
    }
}

/// Shows the identity of the thread of a worker.
pub(super) struct Who<'a>(pub(super) &'a Worker);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: proofs/litmus/once.litmus
        let Self(worker) = self;
        let Some(who) = worker.observer.as_ref().map(Observer::identity) else {
            return Ok(());
        };
        let yes_no = |yes| if yes { "yes" } else { "no" };
        let borrowed = |yes| if yes { "borrowed" } else { "none" };

        f.write_fmt(fmt!("comm {}\n", who.comm))?;
        writeln!(f, "pid {}", who.pid)?;
        writeln!(f, "tgid {}", who.tgid)?;
        writeln!(f, "ppid {}", who.ppid)?;
        f.write_fmt(fmt!("parent_comm {}\n", who.parent_comm))?;
        writeln!(f, "kthread {}", yes_no(who.kthread))?;
        writeln!(f, "mm {}", borrowed(who.mm))?;
        // While it sleeps it has none, so this is its value at the first run.
        writeln!(f, "active_mm {}", borrowed(worker.active_mm.load(Relaxed)))?;
        writeln!(f, "policy {}", who.policy_name())?;
        writeln!(f, "nice {}", who.nice)?;
        writeln!(f, "rt_priority {}", who.rt_priority)?;
        f.write_fmt(fmt!("cpus_allowed {}\n", who.cpus_allowed))?;
        match worker.place {
            Place::Node(node) => writeln!(f, "numa_node {node}")?,
            // This is `NUMA_NO_NODE`.
            Place::Anywhere | Place::Cpu(_) => writeln!(f, "numa_node -1")?,
        }
        writeln!(f, "nofreeze {}", yes_no(who.nofreeze))
    }
}
