// SPDX-License-Identifier: GPL-2.0

//! Numbers with one writer at a time, which a load and a store update.
//!
//! Without `CONFIG_RUST_INLINE_HELPERS` the operations of [`Atomic`] are out-of-line calls, and
//! read-modify-write operations are not needed with one writer.

use crate::kthread::barrier::{
    smp_mb,
    Write, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A number with one writer at a time, and any number of readers.
///
/// If two threads add at the same time, one addition may be lost, and nothing else goes wrong.
pub(crate) struct SingleWriter(Atomic<u64>);

impl SingleWriter {
    pub(crate) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Reads the number, as `READ_ONCE()` of C does.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // ORDERING: proofs/litmus/single-reader.litmus
        // ORDERING: proofs/litmus/single-writer.litmus
        if cfg!(CONFIG_64BIT) {
            // SAFETY: The pointer is valid. A volatile read of one word is not torn, and does not
            // race with the volatile writes of `set`.
            unsafe { self.0.as_ptr().read_volatile() }
        } else {
            self.0.load(Relaxed)
        }
    }

    /// Writes the number, as `WRITE_ONCE()` of C does.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        // ORDERING: proofs/litmus/single-reader.litmus
        // ORDERING: proofs/litmus/single-writer.litmus
        if cfg!(CONFIG_64BIT) {
            // SAFETY: The pointer is valid. A volatile write of one word is not torn, and does not
            // race with the volatile accesses of others.
            unsafe { self.0.as_ptr().write_volatile(value) }
        } else {
            self.0.store(value, Relaxed);
        }
    }

    #[inline]
    pub(crate) fn add(&self, value: u64) {
        // ORDERING: proofs/litmus/single-writer.litmus
        self.set(self.get().wrapping_add(value));
    }

    /// Writes `value` if it is greater.
    #[inline]
    pub(crate) fn raise(&self, value: u64) {
        if self.get() < value {
            self.set(value);
        }
    }
}

/// Orders earlier before later writes, as `smp_wmb()` of C does.
///
/// Readers need `smp_mb(Read)` between the two reads.
#[inline]
pub(crate) fn write_barrier() {
    // ORDERING: proofs/litmus/histogram.litmus
    // ORDERING: proofs/litmus/run-time.litmus
    if cfg!(CONFIG_X86) {
        // On x86 all CPUs see the stores of a CPU in order, so only the compiler must not reorder
        // them. C has no instruction here either, and `smp_mb` would be a call.
        //
        // SAFETY: There is no instruction in it.
        unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
    } else {
        smp_mb(Write);
    }
}
