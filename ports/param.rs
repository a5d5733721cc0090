// SPDX-License-Identifier: GPL-2.0

//! Parameters of modules.

use core::borrow::Borrow;

/// Returns the value of a parameter, which linux 7.2 lends.
pub(crate) fn value<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
