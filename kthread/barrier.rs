// SPDX-License-Identifier: GPL-2.0

//! The barriers of `kernel::sync::barrier` as they are since linux 7.3, for 7.2 as well.

use kernel::{
    bindings,
    sync::atomic::Full, //
};

/// What has been read before is read before what is read later.
pub(crate) struct Read;

/// What has been written before is written before what is written later.
///
/// Nothing here needs this order, and not every module that has this does.
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
        // SAFETY: As above.
        unsafe { bindings::smp_rmb() }
    }
}

impl Ordering for Write {
    #[inline(always)]
    fn barrier() {
        // SAFETY: As above.
        unsafe { bindings::smp_wmb() }
    }
}

/// A barrier between what the CPUs do before and after.
#[inline(always)]
pub(crate) fn smp_mb<T: Ordering>(_: T) {
    T::barrier();
}
