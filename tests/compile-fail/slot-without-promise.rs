// SPDX-License-Identifier: GPL-2.0
//
// error: E0200: requires an `unsafe impl` declaration

//! A type with a slot promises that the slot never changes.

use api::kthread::*;

pub struct Mine;

#[cfg(not(fixed))]
impl HasSlot for Mine {
    fn slot() -> &'static Slot<Self> {
        static SLOT: Slot<Mine> = Slot::new();

        &SLOT
    }
}
#[cfg(fixed)]
impl_has_slot!(Mine);
