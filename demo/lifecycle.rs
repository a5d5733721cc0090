// SPDX-License-Identifier: GPL-2.0

//! The last events in the life of a worker.

use crate::stats::clock::monotonic_ns;
use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The events in the life of a worker.
#[derive(Clone, Copy)]
pub(super) enum Event {
    /// Someone asked for it.
    Requested = 1,
    /// kthreadd has made its task.
    Created = 2,
    /// Its body ran for the first time.
    FirstRun = 3,
    /// Someone woke it.
    Woken = 4,
    /// Someone asked it to park.
    ParkRequested = 5,
    /// It has parked.
    Parked = 6,
    /// It was unparked.
    Unparked = 7,
    /// Someone asked it to stop.
    StopRequested = 8,
    /// Its body has returned.
    Returned = 9,
}

/// The names of the events, by number.
const NAMES: [&str; 10] = [
    "",
    "requested",
    "created",
    "first_run",
    "woken",
    "park_requested",
    "parked",
    "unparked",
    "stop_requested",
    "returned",
];

/// The number of events that are kept.
const LEN: usize = 64;

/// The number of bits of an entry for the event.
///
/// The others hold the time in nanoseconds, enough for 36 years.
const EVENT_BITS: u32 = 4;

/// A ring of events.
///
/// An entry is one word, so the worker and commands write it, and readers read it, without a lock.
pub(super) struct Lifecycle {
    next: Atomic<usize>,
    ring: [Atomic<u64>; LEN],
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self {
            next: Atomic::new(0),
            ring: core::array::from_fn(|_| Atomic::new(0)),
        }
    }

    /// Records `event` with the current time.
    ///
    /// May be called from any context but NMI.
    pub(super) fn record(&self, event: Event) {
        self.record_at(event, monotonic_ns());
    }

    fn record_at(&self, event: Event, ns: u64) {
        // ORDERING: proofs/litmus/lifecycle.litmus
        // ORDERING: proofs/litmus/lifecycle-read.litmus
        let place = self.next.fetch_add(1, Relaxed) % LEN;

        if let Some(entry) = self.ring.get(place) {
            entry.store(ns << EVENT_BITS | event as u64, Relaxed);
        }
    }
}

impl fmt::Display for Lifecycle {
    /// The events, oldest first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: proofs/litmus/lifecycle-read.litmus
        let mut entries = [0; LEN];
        for (to, from) in entries.iter_mut().zip(&self.ring) {
            *to = from.load(Relaxed);
        }
        // Concurrent events may have taken their entries in another order.
        entries.sort_unstable();

        for entry in entries.iter().filter(|entry| **entry != 0) {
            let ns = entry >> EVENT_BITS;
            // CAST: The value has few bits.
            let event = (entry & ((1 << EVENT_BITS) - 1)) as usize;
            let name = NAMES.get(event).copied().unwrap_or_default();

            writeln!(f, "{}.{:09} {name}", ns / 1_000_000_000, ns % 1_000_000_000)?;
        }
        Ok(())
    }
}

#[kunit_tests(rust_kthread_demo_lifecycle)]
mod tests {
    use super::*;
    use kernel::str::CString;

    #[test]
    fn events_are_shown_oldest_first() -> Result {
        let lifecycle = KBox::new(Lifecycle::new(), GFP_KERNEL)?;

        lifecycle.record_at(Event::Created, 1_000_000_002);
        lifecycle.record_at(Event::Requested, 1);
        lifecycle.record_at(Event::Returned, 1 << 59);
        assert_eq!(
            CString::try_from_fmt(fmt!("{lifecycle}"))?.to_bytes(),
            b"0.000000001 requested\n1.000000002 created\n576460752.303423488 returned\n"
        );
        Ok(())
    }

    #[test]
    fn the_last_64_are_kept() -> Result {
        let lifecycle = KBox::new(Lifecycle::new(), GFP_KERNEL)?;

        for ns in 0..100 {
            lifecycle.record_at(Event::Woken, ns);
        }
        let text = CString::try_from_fmt(fmt!("{lifecycle}"))?;
        assert_eq!(text.to_bytes().split(|byte| *byte == b'\n').count(), 65);
        assert!(text.to_bytes().starts_with(b"0.000000036 woken\n"));
        assert!(text.to_bytes().ends_with(b"0.000000099 woken\n"));
        Ok(())
    }
}
