// SPDX-License-Identifier: GPL-2.0

//! A model of the C code: kernel/kthread.c, kernel/smpboot.c, kernel/freezer.c, kernel/signal.c and
//! their dependencies.
//!
//! Each C function is here under its name, with the steps that others may see. If it holds a lock
//! from its beginning to its end, taking the lock is the only step.

pub mod completion;
pub mod freezer;
pub mod kthread;
pub mod lock;
pub mod sched;
pub mod signal;
pub mod smpboot;
pub mod timer;
pub mod types;
pub mod wait;
pub mod worker;
