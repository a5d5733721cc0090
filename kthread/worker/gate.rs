// SPDX-License-Identifier: GPL-2.0

//! A gate: users are let in until it is closed, and whoever closes it waits until all have left.

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

/// Lets users in until it is closed, and tells when all have left.
#[pin_data]
pub(super) struct Gate {
    /// How many are in, and [`Gate::CLOSED`].
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

    /// Lets nobody in from here on, and returns once nobody is in. To be called once.
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

/// Whoever is behind a [`Gate`].
pub(super) struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // ORDERING: proofs/litmus/gate.litmus
        // ORDERING: proofs/litmus/gate-empty.litmus
        if self.0.users.fetch_sub(1, Release) == Gate::CLOSED | 1 {
            // Whoever is refused afterwards may get here as well, and the one that waits needs no
            // more than one. In a hard interrupt this is allowed, and `complete_all()` is not.
            self.0.empty.complete();
        }
    }
}
