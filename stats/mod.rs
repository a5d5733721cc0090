// SPDX-License-Identifier: GPL-2.0

//! What the demo shows of threads, and the benchmark measures: counters and histograms.

pub(crate) mod clock;
pub(crate) mod counters;
pub(crate) mod latency;
pub(crate) mod single_writer;
