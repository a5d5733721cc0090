// SPDX-License-Identifier: GPL-2.0

//! The barriers of `kernel::sync::barrier` as they are since linux 7.3, for 7.2 as well.

use kernel::{
    bindings,
    sync::atomic::Full, //
};

/// Orders earlier reads before later reads.
pub(crate) struct Read;

/// Orders earlier writes before later writes.
///
/// Unused in `kthread/` itself, and in some modules that contain it.
#[allow(dead_code)]
pub(crate) struct Write;

/// An ordering that a barrier can have.
pub(crate) trait Ordering {
    fn barrier();
}

impl Ordering for Full {
    #[inline(always)]
    fn barrier() {
        // SAFETY: A barrier may be anywhere.
        unsafe { bindings::smp_mb() }
    }
}

impl Ordering for Read {
    #[inline(always)]
    fn barrier() {
        // SAFETY: A barrier may be anywhere.
        unsafe { bindings::smp_rmb() }
    }
}

impl Ordering for Write {
    #[inline(always)]
    fn barrier() {
        // SAFETY: A barrier may be anywhere.
        unsafe { bindings::smp_wmb() }
    }
}

/// Orders what this CPU does before against what it does after.
#[inline(always)]
pub(crate) fn smp_mb<T: Ordering>(_: T) {
    T::barrier();
}
