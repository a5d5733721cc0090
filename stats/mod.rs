// SPDX-License-Identifier: GPL-2.0

//! Counters and histograms of threads, for the demo and the benchmark.

pub(crate) mod clock;
pub(crate) mod counters;
pub(crate) mod latency;
pub(crate) mod single_writer;
