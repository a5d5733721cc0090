// SPDX-License-Identifier: GPL-2.0

//! Numbers that one thread at a time changes, for no more than a load and a store.
//!
//! The operations of [`Atomic`] are calls where the compiler can not inline the helpers for functions
//! of C, and those that read and write at once are not needed where nobody else writes.

use crate::kthread::barrier::{
    smp_mb,
    Write, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A number that one thread at a time changes, and all may read.
///
/// What two threads add at the same time may be lost, which is all that can go wrong then.
pub(super) struct SingleWriter(Atomic<u64>);

impl SingleWriter {
    pub(super) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Reads the number, as `READ_ONCE()` of C does.
    #[inline]
    pub(super) fn get(&self) -> u64 {
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
    pub(super) fn set(&self, value: u64) {
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
    pub(super) fn add(&self, value: u64) {
        // ORDERING: proofs/litmus/single-writer.litmus
        self.set(self.get().wrapping_add(value));
    }

    /// Writes `value` if that is more.
    #[inline]
    pub(super) fn raise(&self, value: u64) {
        if self.get() < value {
            self.set(value);
        }
    }
}

/// Lets nobody see what is set after this without what was set before, as `smp_wmb()` of C does.
///
/// Whoever reads needs `smp_mb(Read)` in between.
#[inline]
pub(super) fn write_barrier() {
    // ORDERING: proofs/litmus/histogram.litmus
    // ORDERING: proofs/litmus/run-time.litmus
    if cfg!(CONFIG_X86) {
        // All see the stores of a CPU in their order, so that it is the compiler alone that must keep
        // to that. C has no instruction here either, and `smp_mb` would be a call.
        //
        // SAFETY: There is no instruction in it.
        unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
    } else {
        smp_mb(Write);
    }
}
