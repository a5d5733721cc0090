// SPDX-License-Identifier: GPL-2.0

//! Error codes that `kernel::error::code` has since linux 7.3, for 7.2 as well.

use kernel::{
    bindings,
    prelude::*, //
};

/// The file name is too long.
pub fn enametoolong() -> Error {
    code(bindings::ENAMETOOLONG)
}

/// The operation was cancelled.
pub(super) fn ecanceled() -> Error {
    code(bindings::ECANCELED)
}

/// A deadlock would occur.
pub(super) fn edeadlk() -> Error {
    code(bindings::EDEADLK)
}

fn code(errno: u32) -> Error {
    // CAST: Every errno fits.
    Error::from_errno(-(errno as c_int))
}
