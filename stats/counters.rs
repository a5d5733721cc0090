// SPDX-License-Identifier: GPL-2.0

//! The counters of each worker, and of all workers.

use super::single_writer::{
    write_barrier,
    SingleWriter, //
};
use crate::kthread::barrier::{
    smp_mb,
    Read, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Mutex, //
    },
    time::Delta, //
};

/// The totals of the module.
///
/// A lock protects what the commands change, so that a reader sees consistent numbers. It does not
/// protect what the workers change, as they must never wait for a reader.
#[pin_data]
pub(crate) struct Totals {
    #[pin]
    counts: Mutex<Counts>,
    pub(crate) runs: Atomic<u64>,
}

/// The numbers that commands change.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) workers_peak: u64,
    pub(crate) created: u64,
    pub(crate) create_failed: u64,
    pub(crate) started: u64,
    pub(crate) stopped: u64,
    pub(crate) wakes: u64,
    pub(crate) parks: u64,
    pub(crate) unparks: u64,
    pub(crate) commands: u64,
    pub(crate) commands_rejected: u64,
}

impl Counts {
    /// The number of workers.
    fn workers(&self) -> u64 {
        self.created - self.stopped
    }

    pub(crate) fn add_worker(&mut self) {
        self.created += 1;
        self.workers_peak = self.workers_peak.max(self.workers());
    }
}

impl Totals {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            counts <- new_mutex!(Counts::default()),
            runs: Atomic::new(0),
        })
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock());
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = *self.counts.lock();

        writeln!(f, "workers {}", counts.workers())?;
        writeln!(f, "workers_peak {}", counts.workers_peak)?;
        writeln!(f, "created {}", counts.created)?;
        writeln!(f, "create_failed {}", counts.create_failed)?;
        writeln!(f, "started {}", counts.started)?;
        writeln!(f, "stopped {}", counts.stopped)?;
        writeln!(f, "wakes {}", counts.wakes)?;
        writeln!(f, "runs {}", self.runs.load(Relaxed))?;
        writeln!(f, "parks {}", counts.parks)?;
        writeln!(f, "unparks {}", counts.unparks)?;
        writeln!(f, "commands {}", counts.commands)?;
        writeln!(f, "commands_rejected {}", counts.commands_rejected)
    }
}

/// The kinds of workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Works once for each `wake`.
    Event,
    /// Works once in each period.
    Periodic {
        /// The period, in microseconds.
        period_us: u64,
    },
    /// Like `Event`, but its first unit of work is an oops.
    #[cfg(kthread_tests)]
    Oops,
    /// Like `Event`, but its first unit of work is a Rust panic.
    #[cfg(kthread_tests)]
    Panic,
}

/// The state of a worker, as its `stats` file names it.
#[derive(Clone, Copy)]
pub(crate) enum State {
    Created = 0,
    Running = 1,
    Parked = 2,
}

/// The statistics of one worker, which can be read without a lock.
pub(crate) struct WorkerStats {
    kind: Kind,
    state: Atomic<u32>,
    wakes: Atomic<u64>,
    parks: Atomic<u64>,
    unparks: Atomic<u64>,
    // Only the worker writes the rest.
    runs: SingleWriter,
    run_time_ns: SingleWriter,
    last_run_ns: SingleWriter,
    overruns: SingleWriter,
    thaws: SingleWriter,
}

impl WorkerStats {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            state: Atomic::new(State::Created as u32),
            wakes: Atomic::new(0),
            parks: Atomic::new(0),
            unparks: Atomic::new(0),
            runs: SingleWriter::new(),
            run_time_ns: SingleWriter::new(),
            last_run_ns: SingleWriter::new(),
            overruns: SingleWriter::new(),
            thaws: SingleWriter::new(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u32, Relaxed);
    }

    /// Asks for one unit of work.
    ///
    /// The caller has to wake the worker afterwards.
    pub(crate) fn add_wake(&self) {
        // ORDERING: proofs/litmus/wakes-stop.litmus
        // ORDERING: proofs/litmus/wakes-time.litmus
        self.wakes.fetch_add(1, Release);
    }

    /// Returns whether requested units of work have not been done.
    pub(crate) fn is_work_pending(&self) -> bool {
        // ORDERING: proofs/litmus/wakes-stop.litmus
        // ORDERING: proofs/litmus/wakes-time.litmus
        self.runs.get() < self.wakes.load(Acquire)
    }

    /// Counts a unit of work that took `time`.
    ///
    /// Only the worker calls this.
    pub(crate) fn add_run(&self, time: Delta) {
        // ORDERING: proofs/litmus/run-time.litmus
        // CAST: The clock is monotonic.
        let ns = time.as_nanos() as u64;

        self.last_run_ns.set(ns);
        self.run_time_ns.add(ns);
        // A reader that sees the run sees its time.
        write_barrier();
        self.runs.add(1);
    }

    pub(crate) fn add_park(&self) {
        self.parks.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_unpark(&self) {
        // ORDERING: proofs/litmus/unpark-count.litmus
        self.unparks.fetch_add(1, Relaxed);
    }

    pub(crate) fn unparks(&self) -> u64 {
        // ORDERING: proofs/litmus/unpark-count.litmus
        self.unparks.load(Relaxed)
    }

    /// Counts periods that were missed.
    ///
    /// Only the worker calls this.
    pub(crate) fn add_overruns(&self, missed: u64) {
        self.overruns.add(missed);
    }

    /// Counts that the worker was frozen.
    ///
    /// Only the worker calls this.
    pub(crate) fn add_thaw(&self) {
        self.thaws.add(1);
    }

    fn state_name(&self) -> &'static str {
        match self.state.load(Relaxed) {
            state if state == State::Created as u32 => "created",
            state if state == State::Parked as u32 => "parked",
            _ => "running",
        }
    }

    /// Shows all statistics.
    ///
    /// With `finished`, the body of the worker no longer runs.
    pub(crate) fn show(&self, finished: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: proofs/litmus/run-time.litmus
        let runs = self.runs.get();
        smp_mb(Read);
        let wakes = match self.kind {
            Kind::Periodic { .. } => self.wakes.load(Relaxed),
            // The wake-up of a run has come, even if it is not visible here yet.
            _ => self.wakes.load(Relaxed).max(runs),
        };
        let kind = match self.kind {
            Kind::Event => "event",
            Kind::Periodic { .. } => "periodic",
            #[cfg(kthread_tests)]
            Kind::Oops => "oops",
            #[cfg(kthread_tests)]
            Kind::Panic => "panic",
        };
        let state = if finished {
            "finished"
        } else {
            self.state_name()
        };

        writeln!(f, "state {state}")?;
        writeln!(f, "kind {kind}")?;
        writeln!(f, "wakes {wakes}")?;
        writeln!(f, "runs {runs}")?;
        writeln!(f, "parks {}", self.parks.load(Relaxed))?;
        writeln!(f, "unparks {}", self.unparks())?;
        writeln!(f, "run_time_ns {}", self.run_time_ns.get())?;
        writeln!(f, "last_run_ns {}", self.last_run_ns.get())?;
        writeln!(f, "overruns {}", self.overruns.get())?;
        writeln!(f, "thaws {}", self.thaws.get())
    }
}
