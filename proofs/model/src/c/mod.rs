// SPDX-License-Identifier: GPL-2.0

//! What C does, as the tree has it: kernel/kthread.c, kernel/smpboot.c and what these stand on.
//!
//! A function of C is here under its name, with the steps in which others may see it. Where it holds a lock from its
//! beginning to its end, taking the lock is the step.

pub mod completion;
pub mod kthread;
pub mod lock;
pub mod sched;
pub mod smpboot;
pub mod timer;
pub mod types;
pub mod wait;
pub mod worker;
