// SPDX-License-Identifier: GPL-2.0

//! An `UnsafeCell` that knows who accesses it.

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

    /// Returns a pointer, and takes this for a write, as is most of what is done with it.
    #[track_caller]
    pub fn get(&self) -> *mut T {
        machine::check(self, "a cell");
        // SAFETY: There is one thread.
        unsafe {
            (*self.accesses.get()).write(&format!("the cell at {}", std::panic::Location::caller()))
        };
        self.value.get()
    }

    /// Like `get`, to read.
    #[track_caller]
    pub fn get_to_read(&self) -> *mut T {
        machine::check(self, "a cell");
        // SAFETY: There is one thread.
        unsafe {
            (*self.accesses.get()).read(&format!("the cell at {}", std::panic::Location::caller()))
        };
        self.value.get()
    }
}
