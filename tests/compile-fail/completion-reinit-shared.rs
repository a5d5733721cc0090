// SPDX-License-Identifier: GPL-2.0
//
// error: E0599: no method named `reinit` found for reference

//! A completion with waiters is not reinitialised.

use api::kthread::*;
use core::pin::Pin;

pub fn case(#[cfg(not(fixed))] done: &Completion, #[cfg(fixed)] done: Pin<&mut Completion>) {
    done.reinit();
}

pub fn pinned(_: Pin<&Completion>) {}
