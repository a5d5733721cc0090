// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! A kernel thread is a task without an address space of its own. It is forked by `kthreadd`
//! (PID 2) on behalf of whoever asks for it, waits to be woken for the first time, runs one
//! function, and ends when that function returns.
//!
//! # Vocabulary
//!
//! States:
//!
//! - New: the task exists, and has never been woken. It is a [`NewThread`].
//! - Running: the closure runs, or waits in one of the waits of its [`Context`]. The thread is a
//!   [`Thread`].
//! - Parked: the thread sleeps in `TASK_PARKED` and only [`Thread::unpark`] or a stop ends that.
//! - Finished: the closure has returned. The task lingers, and can still be parked, until its
//!   handle stops or joins it.
//! - Gone: the task has exited.
//!
//! Operations, by whoever holds the handle: create, start, wake, park, unpark, stop, join.
//!
//! # State diagram
//!
//! ```text
//!                      Return of the closure
//!                  ┌───────────────────────────┐
//!                  │                           ▼
//!  ┌─────┐     ┌───┴─────┐                ┌──────────┐
//!  │ New ├────►│ Running │                │ Finished │
//!  └──┬──┘start└┬──────▲─┘                └─┬──────▲─┘
//!     │    park │      │ unpark        park │      │ unpark
//!     │        ┌▼──────┴─┐                ┌─▼──────┴─┐
//!     │        │ Parked  │                │  Parked  │
//!     │        └────┬────┘                └────┬─────┘
//!     │ drop        │ stop                     │ stop, join
//!     ▼             ▼                          ▼
//!  ┌─────────────────────────────────────────────────┐
//!  │                      Gone                       │
//!  └─────────────────────────────────────────────────┘
//! ```
//!
//! A stop leads to Gone from every state; a thread that runs is first asked
//! ([`Context::should_stop`]) and then waited for.
//!
//! # Who keeps a thread from outliving its module
//!
//! The text of a module that is removed is freed, whatever still runs in it. There are three ways to
//! make sure that nothing does:
//!
//! - A [`ThreadGroup`] stops what is left of its members when it is dropped. [`ThreadGroup::new`]
//!   carries the one `unsafe` promise of a module: that the group is dropped before the module is
//!   gone. In return every operation on threads is safe, and a handle that is leaked, by
//!   [`core::mem::forget`] or in a reference cycle, does no harm. [`Worker`] and [`PerCpuThreads`] are
//!   members of a group, too.
//! - A [`scope`] stops its threads before it returns. They may borrow.
//! - A [detached](Builder::spawn_detached) thread holds its module until it ends by itself.
//!
//! # What may be waited for
//!
//! Whatever stops or joins a thread sleeps until that is gone. Never to wait for oneself is seen to
//! here. Not to wait for a thread that waits for the caller is left to users.
//!
//! # Context
//!
//! Each function says whether it sleeps. What may be called from any context takes locks with
//! interrupts off, and must not be called in an NMI.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

mod builder;
mod completion;
mod context;
mod core;
mod detached;
mod errno;
mod exit;
mod ffi;
mod group;
mod hotplug;
mod identity;
// Where there is a copy of this folder in more than one module, one of them has the KUnit suites.
#[cfg(kthread_kunit)]
mod kunit;
mod lockdep;
mod mm;
mod packet;
mod percpu;
mod scope;
mod thread;
mod worker;

// Where there is a copy of this folder in more than one module, one of them has the KUnit suites.

pub use self::{
    builder::{
        Builder,
        Placement,
        Policy, //
    },
    completion::Completion,
    context::{
        Context,
        Wake, //
    },
    errno::enametoolong,
    group::ThreadGroup,
    identity::{
        Comm,
        CpuList,
        Identity,
        Observer, //
    },
    percpu::{
        impl_has_slot,
        HasSlot,
        PerCpuThread,
        PerCpuThreads,
        Slot, //
    },
    scope::{
        scope,
        Scope,
        Scoped,
        ScopedThread, //
    },
    thread::{
        JoinError,
        NewThread,
        Parked,
        Thread,
        Waker, //
    },
    worker::{
        Refusal,
        Refused,
        Work,
        WorkItem,
        Worker, //
    },
};
