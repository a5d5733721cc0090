// SPDX-License-Identifier: GPL-2.0

//! Module parameters.

use core::borrow::Borrow;

/// Returns the value of a parameter, which is a reference in linux 7.2.
pub(crate) fn value<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
