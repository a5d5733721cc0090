// SPDX-License-Identifier: GPL-2.0

//! The monotonic clock as a number, which [`kernel::time::Instant`] hides.

use kernel::bindings;

/// Returns `CLOCK_MONOTONIC` in nanoseconds.
///
/// May be called from any context but NMI.
#[doc(alias = "ktime_get")]
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: `ktime_get()` has no requirements.
    let now = unsafe { bindings::ktime_get() };

    // CAST: The time since boot is not negative.
    now as u64
}
