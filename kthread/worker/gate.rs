// SPDX-License-Identifier: GPL-2.0

//! A gate: it admits users until it is closed, and closing it waits until all have left.

use super::super::{
    completion::Completion,
    ffi::read_once, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};

/// Admits users until it is closed, and reports when all have left.
#[pin_data]
pub(super) struct Gate {
    /// The number of users inside, and [`Gate::CLOSED`].
    users: Atomic<usize>,
    #[pin]
    empty: Completion,
}

impl Gate {
    const CLOSED: usize = 1 << 31;

    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            users: Atomic::new(0),
            empty <- Completion::new(),
        })
    }

    /// May be called from any context.
    pub(super) fn enter(&self) -> Option<Inside<'_>> {
        // ORDERING: proofs/litmus/gate.litmus
        let inside = Inside(self);

        if self.users.fetch_add(1, Relaxed) & Self::CLOSED != 0 {
            return None;
        }
        Some(inside)
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        read_once(&self.users) & Self::CLOSED != 0
    }

    /// Admits nobody from here on, and returns once nobody is inside.
    ///
    /// May be called once.
    ///
    /// Sleeps.
    pub(super) fn close(&self) {
        // ORDERING: proofs/litmus/gate.litmus
        // ORDERING: proofs/litmus/gate-cancel.litmus
        // ORDERING: proofs/litmus/gate-empty.litmus
        if self.users.fetch_add(Self::CLOSED, Acquire) != 0 {
            self.empty.wait_for_completion();
        }
    }
}

/// A user inside a [`Gate`].
pub(super) struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // ORDERING: proofs/litmus/gate.litmus
        // ORDERING: proofs/litmus/gate-empty.litmus
        if self.0.users.fetch_sub(1, Release) == Gate::CLOSED | 1 {
            // Callers refused after the close reach this too, so it may complete more than once;
            // `close()` needs one. Unlike `complete_all()`, `complete()` is allowed in hard
            // interrupt context.
            self.0.empty.complete();
        }
    }
}
