// SPDX-License-Identifier: GPL-2.0

//! An `UnsafeCell` that checks its accesses.

use crate::machine::{self, Accesses};
use std::cell::UnsafeCell as Real;

pub struct UnsafeCell<T: ?Sized> {
    accesses: Real<Accesses>,
    value: Real<T>,
}

impl<T> UnsafeCell<T> {
    pub const fn new(value: T) -> Self {
        Self {
            accesses: Real::new(Accesses::new()),
            value: Real::new(value),
        }
    }

    /// Returns a pointer, and counts as a write, as most uses are.
    #[track_caller]
    pub fn get(&self) -> *mut T {
        machine::check(self, "a cell");
        // SAFETY: There is only one thread of the host.
        unsafe {
            (*self.accesses.get()).write(&format!("the cell at {}", std::panic::Location::caller()))
        };
        self.value.get()
    }

    /// Like `get`, but counts as a read.
    #[track_caller]
    pub fn get_to_read(&self) -> *mut T {
        machine::check(self, "a cell");
        // SAFETY: There is only one thread of the host.
        unsafe {
            (*self.accesses.get()).read(&format!("the cell at {}", std::panic::Location::caller()))
        };
        self.value.get()
    }
}
