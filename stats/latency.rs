// SPDX-License-Identifier: GPL-2.0

//! Latencies: histograms without locks and allocations.

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
    io::poll::read_poll_timeout,
    prelude::*,
    time::Delta, //
};

/// The measures.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// From the request for a thread until kthreadd has made it.
    Create,
    /// From the first wake-up to the first instruction.
    Start,
    /// From the wake-up of an idle event worker until it begins to work.
    Wake,
    /// From the request to park until the thread is parked.
    Park,
    /// How long it takes to let a parked thread go.
    Unpark,
    /// From the request to stop until the task is gone.
    Stop,
}

/// In the order in which they are shown, and their names.
const MEASURES: [(Measure, &str); 6] = [
    (Measure::Create, "create"),
    (Measure::Start, "start"),
    (Measure::Wake, "wake"),
    (Measure::Park, "park"),
    (Measure::Unpark, "unpark"),
    (Measure::Stop, "stop"),
];

/// One histogram for each measure.
#[derive(Default)]
pub(crate) struct Latency {
    create: Histogram,
    start: Histogram,
    wake: Histogram,
    park: Histogram,
    unpark: Histogram,
    stop: Histogram,
}

impl Latency {
    fn of(&self, measure: Measure) -> &Histogram {
        match measure {
            Measure::Create => &self.create,
            Measure::Start => &self.start,
            Measure::Wake => &self.wake,
            Measure::Park => &self.park,
            Measure::Unpark => &self.unpark,
            Measure::Stop => &self.stop,
        }
    }

    /// Records a value.
    ///
    /// Callers that may record the same measure concurrently must serialise.
    ///
    /// May be called from any context.
    pub(crate) fn record(&self, measure: Measure, latency: Delta) {
        // A clock that runs backwards would make it negative.
        self.of(measure).record(latency.as_nanos().unsigned_abs());
    }

    /// Adds all values of `other`.
    ///
    /// Nobody else may change either during the call.
    pub(crate) fn add(&self, other: &Self) {
        for (measure, _) in MEASURES {
            self.of(measure).add(other.of(measure));
        }
    }

    /// Shows this together with others.
    pub(crate) fn show_with<'a, I>(
        &self,
        others: impl Fn() -> I,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result
    where
        I: Iterator<Item = &'a Self>,
    {
        for (measure, name) in MEASURES {
            let mut all = self.of(measure).snapshot();

            for other in others() {
                all.add(&other.of(measure).snapshot());
            }
            write!(f, "{name} ")?;
            fmt::Display::fmt(&all, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show_with(core::iter::empty, f)
    }
}

/// The last bucket holds all values above four minutes.
const BUCKETS: usize = 39;

/// Counts of values by their power of two, which one thread at a time changes.
///
/// Writers never wait. A reader starts over if a value was recorded during the read.
struct Histogram {
    /// Odd while a value is being recorded.
    sequence: SingleWriter,
    sum: SingleWriter,
    /// Negated, so that minimum and maximum only grow from zero.
    min_inverted: SingleWriter,
    max: SingleWriter,
    buckets: [SingleWriter; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            sequence: SingleWriter::new(),
            sum: SingleWriter::new(),
            min_inverted: SingleWriter::new(),
            max: SingleWriter::new(),
            buckets: core::array::from_fn(|_| SingleWriter::new()),
        }
    }
}

impl Histogram {
    /// Makes a change that readers see entirely or not at all.
    #[inline]
    fn change(&self, change: impl FnOnce()) {
        // ORDERING: proofs/litmus/histogram.litmus
        let sequence = self.sequence.get();

        self.sequence.set(sequence.wrapping_add(1));
        write_barrier();
        change();
        write_barrier();
        self.sequence.set(sequence.wrapping_add(2));
    }

    fn record(&self, value: u64) {
        // ORDERING: proofs/litmus/histogram.litmus
        self.change(|| {
            if let Some(bucket) = self.buckets.get(bucket_of(value)) {
                bucket.add(1);
            }
            self.sum.add(value);
            self.min_inverted.raise(!value);
            self.max.raise(value);
        });
    }

    fn add(&self, other: &Self) {
        // Many buckets are never used.
        if other.sequence.get() == 0 {
            return;
        }
        self.change(|| {
            for (to, from) in self.buckets.iter().zip(&other.buckets) {
                to.add(from.get());
            }
            self.sum.add(other.sum.get());
            self.min_inverted.raise(other.min_inverted.get());
            self.max.raise(other.max.get());
        });
    }

    /// Reads a consistent state.
    ///
    /// Sleeps between the tries, as the writer may not be on a CPU. Gives up after a tenth of a
    /// second, in which case only some of the numbers may include the last values.
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();

        let _ = read_poll_timeout(
            || Ok(self.read_into(&mut snapshot)),
            |is_consistent| *is_consistent,
            Delta::from_millis(1),
            Delta::from_millis(100),
        );
        snapshot
    }

    /// Reads the numbers, and returns whether they are consistent.
    fn read_into(&self, snapshot: &mut Snapshot) -> bool {
        // ORDERING: proofs/litmus/histogram.litmus
        let sequence = self.sequence.get();

        // Buckets that are never used are zero in the snapshot, too.
        if sequence == 0 {
            return true;
        }
        smp_mb(Read);
        for (to, from) in snapshot.buckets.iter_mut().zip(&self.buckets) {
            *to = from.get();
        }
        snapshot.sum = self.sum.get();
        snapshot.min = !self.min_inverted.get();
        snapshot.max = self.max.get();
        smp_mb(Read);

        sequence % 2 == 0 && self.sequence.get() == sequence
    }
}

/// The bucket of `n` holds the values from 2^n to 2^(n+1) - 1, and that of 0 holds 0 as well.
fn bucket_of(value: u64) -> usize {
    // CAST: A logarithm fits.
    let log2 = value.checked_ilog2().unwrap_or(0) as usize;

    log2.min(BUCKETS - 1)
}

/// A snapshot of a histogram.
struct Snapshot {
    sum: u64,
    min: u64,
    max: u64,
    buckets: [u64; BUCKETS],
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            sum: 0,
            min: u64::MAX,
            max: 0,
            buckets: [0; BUCKETS],
        }
    }
}

impl Snapshot {
    fn add(&mut self, other: &Self) {
        for (to, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *to += from;
        }
        self.sum = self.sum.wrapping_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns a bound that `percent` of the values do not exceed: the end of a bucket, or the
    /// largest value.
    fn percentile(&self, percent: u64) -> u64 {
        // CAST: Values are counted one by one, so that the product fits.
        let rank = (self.count() * percent).div_ceil(100);
        let mut seen = 0;

        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && bucket + 1 < BUCKETS {
                // `clamp()` would panic if `min` was read too late to be below `max`.
                return ((2u64 << bucket) - 1).max(self.min).min(self.max);
            }
        }
        self.max
    }
}

impl fmt::Display for Snapshot {
    /// `count min mean p50 p99 max` in nanoseconds, then a line for each bucket that is not empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        let Some(mean) = self.sum.checked_div(count) else {
            return writeln!(f, "0 0 0 0 0 0");
        };

        writeln!(
            f,
            "{count} {} {mean} {} {} {}",
            self.min,
            self.percentile(50),
            self.percentile(99),
            self.max
        )?;
        for (bucket, count) in self.buckets.iter().enumerate() {
            if *count != 0 {
                let from = if bucket == 0 { 0 } else { 1u64 << bucket };
                writeln!(f, "\t{from} {count}")?;
            }
        }
        Ok(())
    }
}

#[kunit_tests(rust_kthread_demo_latency)]
mod tests {
    use super::*;
    use kernel::str::CString;

    fn text(values: &[u64]) -> Result<CString> {
        let histogram = KBox::new(Histogram::default(), GFP_KERNEL)?;

        for value in values {
            histogram.record(*value);
        }
        CString::try_from_fmt(fmt!("{}", histogram.snapshot()))
    }

    #[test]
    fn an_empty_one_is_all_zero() -> Result {
        assert_eq!(text(&[])?.to_bytes(), b"0 0 0 0 0 0\n");
        Ok(())
    }

    #[test]
    fn one_value_is_all_there_is() -> Result {
        assert_eq!(text(&[5])?.to_bytes(), b"1 5 5 5 5 5\n\t4 1\n");
        assert_eq!(text(&[0])?.to_bytes(), b"1 0 0 0 0 0\n\t0 1\n");
        Ok(())
    }

    #[test]
    fn values_go_by_their_power_of_two() -> Result {
        assert_eq!(
            text(&[0, 1, 2, 3, 4, 1023, 1024])?.to_bytes(),
            b"7 0 293 3 1024 1024\n\t0 2\n\t2 2\n\t4 1\n\t512 1\n\t1024 1\n"
        );
        Ok(())
    }

    #[test]
    fn a_value_is_seen_as_a_whole() -> Result {
        let histogram = KBox::new(Histogram::default(), GFP_KERNEL)?;

        histogram.record(1);
        histogram.change(|| assert!(!histogram.read_into(&mut Snapshot::default())));
        assert!(histogram.read_into(&mut Snapshot::default()));
        Ok(())
    }

    #[test]
    fn they_add_up() -> Result {
        let (all, one) = (
            KBox::new(Histogram::default(), GFP_KERNEL)?,
            KBox::new(Histogram::default(), GFP_KERNEL)?,
        );

        all.record(5);
        one.record(1);
        one.record(9);
        all.add(&one);
        assert_eq!(
            CString::try_from_fmt(fmt!("{}", all.snapshot()))?.to_bytes(),
            b"3 1 5 7 9 9\n\t0 1\n\t4 1\n\t8 1\n"
        );
        Ok(())
    }

    #[test]
    fn percentiles_are_bounds() -> Result {
        let mut values = [10; 100];
        values[98] = 1000;
        values[99] = 100_000;

        assert_eq!(
            text(&values)?.to_bytes(),
            b"100 10 1019 15 1023 100000\n\t8 98\n\t512 1\n\t65536 1\n"
        );
        Ok(())
    }

    #[test]
    fn the_last_bucket_takes_all_that_is_longer() -> Result {
        assert_eq!(
            text(&[1 << 38, 1 << 50])?.to_bytes(),
            b"2 274877906944 563087392374784 1125899906842624 1125899906842624 1125899906842624\n\
              \t274877906944 2\n"
        );
        Ok(())
    }
}
