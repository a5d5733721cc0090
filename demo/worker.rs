// SPDX-License-Identifier: GPL-2.0

//! What the threads of the demo do.

use super::{
    command::Kind,
    stats::{
        Totals,
        WorkerStats, //
    }, //
};
use crate::kthread::{
    Context,
    Wake, //
};
use kernel::{
    sync::{
        atomic::Relaxed,
        Arc, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// Runs a worker until it is asked to stop.
pub(super) fn run(ctx: &Context<'_>, stats: &WorkerStats, totals: &Arc<Totals>) {
    match stats.kind() {
        Kind::Event => run_event(ctx, stats, totals),
        Kind::Periodic { period_us } => run_periodic(ctx, period_us, stats, totals),
    }
    stats.set_finished();
}

/// Does one unit of work for every wake, and keeps those that are pending while it is parked.
fn run_event(ctx: &Context<'_>, stats: &WorkerStats, totals: &Totals) {
    while ctx.wait_until(|| stats.is_work_pending()) == Wake::Ready {
        unit_of_work(stats, totals);
    }
}

/// Does one unit of work per period, at times that do not depend on when the last one ended.
fn run_periodic(ctx: &Context<'_>, period_us: u64, stats: &WorkerStats, totals: &Totals) {
    // CAST: The parser allows no period that does not fit.
    let period = Delta::from_micros(period_us as i64);
    let mut deadline = Instant::<Monotonic>::now() + period;
    let mut unparks = stats.unparks();

    loop {
        match ctx.wait_deadline(Some(deadline)) {
            Wake::Stop => return,
            Wake::Ready => continue,
            Wake::Timeout => {}
        }
        // Periods that pass while the worker is parked are not missed: the beat begins anew.
        if unparks != stats.unparks() {
            unparks = stats.unparks();
            deadline = Instant::now() + period;
            continue;
        }

        unit_of_work(stats, totals);

        deadline = deadline + period;
        let late = deadline.elapsed();
        if late >= Delta::ZERO {
            // The parser allows no period of zero.
            let missed = late.as_nanos().checked_div(period.as_nanos()).unwrap_or(0) + 1;
            stats.add_overruns(missed as u64);
            deadline = deadline + period * missed;
        }
    }
}

/// Stands for what a real worker would do: hashes a little, without sleeping.
fn unit_of_work(stats: &WorkerStats, totals: &Totals) {
    let start = Instant::<Monotonic>::now();

    let hash = (0..1024u32).fold(0x811c_9dc5u32, |hash, byte| {
        (hash ^ (byte & 0xff)).wrapping_mul(0x0100_0193)
    });
    core::hint::black_box(hash);

    stats.add_run(start.elapsed());
    totals.runs.fetch_add(1, Relaxed);
}
