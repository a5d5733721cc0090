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
//! - Parked: the thread sleeps in `TASK_PARKED`, and only [`Thread::unpark`] or a request to stop
//!   ends that.
//! - Finished: the closure has returned, and its value waits for whoever has the handle. There is
//!   nothing to park, but a handle may do so: it takes the thread for parked, until it unparks it.
//! - Gone: the task has exited, and nobody has a handle.
//!
//! Operations, by whoever holds the handle: create, start, wake, interrupt, park, unpark, stop,
//! join, detach, and to change policy, nice value or CPUs. To wake a thread is to say that there is
//! something to do; to interrupt it also ends what it waits for elsewhere, and stops nothing.
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
//! To stop a thread is to ask it ([`Context::should_stop`]), to end its interruptible sleeps,
//! whoever's they are, and to wait until its task has exited. All that stop several threads ask all
//! of them first.
//!
//! # Who keeps a thread from outliving its module
//!
//! The text of a module that is removed is freed, whatever still runs in it. There are three ways
//! to make sure that nothing does:
//!
//! - A [`ThreadGroup`] stops what is left of its members when it is dropped. One that was made
//!   [for its module](ThreadGroup::for_module), with [`threaded_module!`], is stopped when that is
//!   unloaded, and one [for a device](ThreadGroup::for_device) when that is unbound, even if the
//!   group is leaked. [`ThreadGroup::new`] needs no such module, and carries an `unsafe` promise:
//!   that the group is dropped before the module is gone. Either way every operation on threads is
//!   safe, and a handle that is leaked, by [`forget`](::core::mem::forget) or in a reference cycle,
//!   does no harm. [`Worker`] and [`PerCpuThreads`] are members of a group, too.
//! - A [`scope`] stops its threads before it returns. They may borrow.
//! - A [detached](Builder::spawn_detached) thread holds its module until it ends by itself.
//!
//! # What may be waited for
//!
//! Whatever stops or joins a thread sleeps until its task has exited. The API refuses a thread that
//! would wait for itself. Circles of several threads are left to users, with some help: a thread
//! that joins another one, and is asked to stop, passes that on, and lockdep reports who stops a
//! thread with a lock held that the thread takes.
//!
//! # Context
//!
//! Each function and drop that may sleep says so; what makes, names or looks at something does not.
//! What may be called from any context takes locks with interrupts off, and must not be called in
//! an NMI.
//!
//! # Reading order
//!
//! `core.rs` has the states of a thread, and says who may touch what when. `exit.rs` waits for it,
//! `packet.rs` runs it, `context.rs` is what it can do itself, `thread.rs`, `group.rs` and
//! `scope.rs` are what others can do with it, `sched.rs` and `signal.rs` what both can.
//! `members.rs` is what ends together, `module.rs` and `device.rs` say with what.
//! `wait_queue.rs` is for what it waits for elsewhere.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

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
// Where there is a copy of this folder in more than one module, one of them has the KUnit suites.
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
