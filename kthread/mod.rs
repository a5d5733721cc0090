// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! A kernel thread is a task without an address space of its own. `kthreadd` (PID 2) forks it on
//! request. It waits to be woken for the first time, runs one function, and ends when that function
//! returns.
//!
//! # Vocabulary
//!
//! States:
//!
//! - New: the task exists, and has never been woken. Its handle is a [`NewThread`].
//! - Running: the closure runs, or waits in one of the waits of its [`Context`]. Its handle is a
//!   [`Thread`].
//! - Parked: the thread sleeps in `TASK_PARKED`, until [`Thread::unpark`] or a request to stop.
//! - Finished: the closure has returned, and the owner of the handle can take its value.
//!   [`Thread::park`] succeeds without effect: the thread counts as parked until it is unparked.
//! - Gone: the task has exited, and nobody has a handle.
//!
//! Operations, by the holder of the handle: create, start, wake, interrupt, park, unpark, stop,
//! join, detach, and changing policy, nice value or CPUs. Waking a thread tells it that there is
//! something to do. Interrupting it also ends its waits outside of the context, and does not stop
//! it.
//!
//! # State diagram
//!
//! ```text
//!  +-----+ start +---------+ return of the closure +----------+
//!  | New |------>| Running |---------------------->| Finished |
//!  +-----+       +---------+                       +----------+
//!     |      park |      ^ unpark, request_stop         |
//!     |           v      |                              |
//!     |          +---------+                            |
//!     |          | Parked  |                            |
//!     |          +---------+                            |
//!     | drop                                            | stop, join, drop,
//!     v                                                 v or nobody has a handle
//!  +---------------------------------------------------------+
//!  |                          Gone                           |
//!  +---------------------------------------------------------+
//! ```
//!
//! Stopping a thread sets a request ([`Context::should_stop`]), ends its interruptible sleeps, in
//! any code, and waits until its task has exited. Functions that stop several threads ask all of
//! them first.
//!
//! # Threads and modules
//!
//! The text of a removed module is freed, even if a thread still runs in it. There are three ways
//! to make sure that none does:
//!
//! - A [`ThreadGroup`] stops its remaining members when it is dropped. A group [for its
//!   module](ThreadGroup::for_module), with [`threaded_module!`], is stopped when the module is
//!   unloaded, and a group [for a device](ThreadGroup::for_device) when the device is unbound, even
//!   if the group is leaked. [`ThreadGroup::new`] works in any module, and is `unsafe`: the caller
//!   promises to drop the group before the module is gone. In all cases every operation on threads
//!   is safe, and a handle that is leaked, by [`forget`](::core::mem::forget) or in a reference
//!   cycle, does no harm. [`Worker`] and [`PerCpuThreads`] are members of a group, too.
//! - A [`scope`] stops its threads before it returns, so they may borrow.
//! - A [detached](Builder::spawn_detached) thread holds its module until it ends by itself.
//!
//! # What may be waited for
//!
//! Stopping or joining a thread sleeps until its task has exited. The API refuses a thread that
//! would wait for itself. Cycles among several threads are the caller's responsibility, with some
//! help: a thread that is asked to stop while it joins another passes the request on, and lockdep
//! reports a caller that stops a thread while it holds a lock that the thread takes.
//!
//! # Context
//!
//! Each function and drop that may sleep says so. Functions that can be called from any context
//! disable interrupts around their locks; none may be called from an NMI.
//!
//! # Reading order
//!
//! `core.rs` has the states of a thread, and the rules of access. `exit.rs` waits for a thread,
//! `packet.rs` runs it, `context.rs` has its own operations, `thread.rs`, `group.rs` and `scope.rs`
//! those of others, `sched.rs` and `interrupt.rs` those of both. `members.rs` stops threads
//! together, `module.rs` and `device.rs` say when. `wait_queue.rs` is for waits on queues of other
//! code.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

// A module that has a copy of this folder as a private module only compiles in what it uses.
#![cfg_attr(MODULE, allow(dead_code, unreachable_pub, unused_imports))]

pub(crate) mod barrier;
mod builder;
mod completion;
mod context;
mod core;
mod detached;
mod device;
mod errno;
mod exit;
mod ffi;
mod freezer;
mod group;
mod hotplug;
mod identity;
mod interrupt;
// If several modules have a copy of this folder, one of them has the KUnit suites.
#[cfg(kthread_kunit)]
mod kunit;
mod lockdep;
mod memalloc;
mod members;
mod mm;
mod module;
mod packet;
mod percpu;
mod sched;
mod scope;
mod signal;
mod thread;
mod wait_queue;
mod worker;

pub use self::{
    builder::{
        Builder,
        Placement, //
    },
    completion::Completion,
    context::{
        Context,
        UsesMm,
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
    memalloc::{
        memalloc_nofs,
        memalloc_noio,
        memalloc_noreclaim,
        memalloc_scope,
        Memalloc, //
    },
    mm::use_mm,
    module::{
        threaded_module,
        ModuleGuard,
        ModuleThreads, //
    },
    percpu::{
        impl_has_slot,
        HasSlot,
        PerCpuThread,
        PerCpuThreads,
        Slot, //
    },
    sched::Policy,
    scope::{
        scope,
        Scope,
        Scoped,
        ScopedThread, //
    },
    signal::Signal,
    thread::{
        JoinError,
        NewThread,
        Parked,
        Thread,
        Waker, //
    },
    wait_queue::WaitQueue,
    worker::{
        impl_has_work_field,
        FieldItem,
        HasWorkField,
        Refusal,
        Refused,
        ScopedWorker,
        Work,
        WorkField,
        WorkItem,
        WorkOf,
        WorkPointer,
        Worker,
        WorkerPool, //
    },
};
