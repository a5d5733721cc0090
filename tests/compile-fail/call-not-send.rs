// SPDX-License-Identifier: GPL-2.0
//
// error: E0277: cannot be shared between threads safely

//! The argument of a call moves to the worker's thread.

use api::kthread::*;
use core::cell::Cell;
use kernel::prelude::*;

pub fn case(worker: &Worker) -> Result {
    #[cfg(not(fixed))]
    let mut calls = &Cell::new(0);
    #[cfg(fixed)]
    let mut calls = Cell::new(0);

    worker.call(|_ctx| {
        let calls = &mut calls;
        calls.set(calls.get() + 1);
    })
}
