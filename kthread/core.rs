// SPDX-License-Identifier: GPL-2.0

//! The state of a thread, and who may access which part of it, and when.
//!
//! # Ownership
//!
//! Every thread has one allocation, which begins with a [`Core`], followed by the part that depends
//! on its type: closure and value of a thread (`packet.rs`, `detached.rs`), or the queue of a
//! worker (`worker/raw.rs`). It is shared by
//!
//! - the task, by a pointer that is not counted. A member of a group or a scope relies on its
//!   table, which holds the allocation until the task has exited. A detached thread has a reference
//!   of its own.
//! - the table of members.
//! - the handle, of which there is at most one: `NewThread`, `Thread`, `Worker`.
//! - any number of `Waker`s and `Observer`s.
//!
//! # States
//!
//! [`State`] only moves forward, and determines who owns the closure and the value:
//!
//! - New: there is a closure. Only the creator of the thread, or the caller that reaps it, accesses
//!   it.
//! - Started: the same. `control` serialises starting and reaping.
//! - Entered: the task owns the closure.
//! - Done: the closure has returned.
//!
//! [`Handover`] passes on the value: either the task stores it, and finds that nobody will take it,
//! or the caller that gives up the handle finds that it has been stored. The second of the two
//! drops it. Taking or dropping the value sets Abandoned, the last state, so it happens once. A
//! thread that died is in Entered when its task has exited, and has no value.
//!
//! # Requests
//!
//! - To stop: [`Asked::STOP`] is set, and never cleared. The rest is what `kthread_stop()` does,
//!   except the waiting: the thread is unparked, its interruptible sleeps end, and it is woken.
//! - To notice an interrupt: a bit that is set in the same way, and cleared by the closure, which
//!   takes it. `TIF_NOTIFY_SIGNAL`, which ends the sleep, is set and cleared together with the
//!   request, under a lock, so that neither exists without the other. A request to stop sets it
//!   permanently: code that clears it checks for such a request afterwards.
//! - To wake up: `token` is set, and the wait that finds it takes it.
//! - To park: [`Park`]. Only the holder of the handle requests it, and only until the thread has
//!   been asked to stop.
//!
//! The requester writes the flag, executes a full barrier, and then reads the state of the thread
//! or wakes it, which does both. The thread writes its state, executes a full barrier, and then
//! reads the flags. So at least one of them sees the other.
//!
//! # Park against stop, exit and reap
//!
//! `kthread_park()` returns when the thread has parked, and never if the thread exits instead, or
//! if `kthread_stop()` withdraws the request. Therefore:
//!
//! - It is called between Running -> Asked and Asked -> Parked, and only if the thread has not been
//!   asked to stop when Asked is set.
//! - A thread exits only after Running -> Finished, which fails while it is Asked.
//! - `kthread_stop()` is called after the thread has been asked to stop; if the thread is Asked at
//!   that time, only after the task has exited.
//! - If the thread is asked to stop while it is Asked, the caller that parks it undoes that, and
//!   reports it.
//!
//! # Waiting
//!
//! All callers wait for [`Exit`], the kernel's own completion for the exit of a task, so a thread
//! that dies ends all waits. The waiter removes the remains of a thread from the table; if nobody
//! is about to wait (`claimed`), the next thread that ends in the same table does.

use super::{
    barrier::{
        smp_mb,
        Read, //
    },
    completion::Completion,
    errno::edeadlk,
    exit::Exit,
    ffi::{
        clear_notify_signal,
        read_once,
        set_notify_signal,
        task_flags,
        write_once, //
    },
    freezer::set_freezable,
    hotplug,
    lockdep::{
        LockMap,
        Site, //
    },
    memalloc::Memallocs,
    members::{
        Members,
        Place, //
    },
    signal::Signals,
    wait_queue::Waiters, //
};
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    cpu::CpuId,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            AtomicType,
            Full,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    task::{
        might_sleep,
        Task, //
    },
    time::Delta, //
};

/// How far a thread has got.
///
/// See the top of this file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(super) enum State {
    /// Never woken.
    New = 0,
    /// Woken, or about to be woken.
    Started = 1,
    /// The thread function runs and owns the closure.
    Entered = 2,
    /// The closure has returned.
    Done = 3,
}

// SAFETY: `State` has the size and alignment of `i32`, and every `State` survives the way to `i32`
// and back.
unsafe impl AtomicType for State {
    type Repr = i32;
}

/// Whether a thread is parked.
///
/// See the top of this file.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
enum Park {
    /// Not parked.
    Running = 0,
    /// `kthread_park()` is being called.
    Asked = 1,
    /// `kthread_park()` has returned.
    Parked = 2,
    /// The closure has returned, and the task exits: there is nothing to park.
    Finished = 3,
    /// The same, and the holder of the handle considers it parked.
    FinishedParked = 4,
}

// SAFETY: `Park` has the size and alignment of `i32`, and every `Park` survives the way to `i32`
// and back.
unsafe impl AtomicType for Park {
    type Repr = i32;
}

/// Whether the value came first, or the end of the handle.
///
/// See the top of this file.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Handover {
    /// Neither.
    Open = 0,
    /// The value is stored.
    Stored = 1,
    /// Nobody will take the value.
    Abandoned = 2,
}

// SAFETY: `Handover` has the size and alignment of `i32`, and every `Handover` survives the way to
// `i32` and back.
unsafe impl AtomicType for Handover {
    type Repr = i32;
}

/// Serialises starting and reaping a thread.
///
/// The caller that reaps it holds this lock until the task has exited, so the task itself must not
/// take it.
pub(super) struct Control {
    /// `kthread_stop()` has returned: the task has exited.
    pub(super) reaped: bool,
}

/// The choices that are made when a thread is created.
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// Whether the freezer freezes it.
    pub(super) freezable: bool,
    /// Whether its CPUs can be changed, which takes `Placement::Cpus`.
    pub(super) movable: bool,
    /// Whether the closure, rather than its waits, parks the thread.
    pub(super) parks_itself: bool,
    /// How late its waits may end.
    ///
    /// Not negative, once a thread has been created with it.
    pub(super) timer_slack: Delta,
    /// Whether it was created with a deadline policy, which only the thread changes.
    pub(super) deadline: bool,
    /// What applies to all its allocations.
    pub(super) memallocs: Memallocs,
    /// Which signals it takes.
    pub(super) signals: Signals,
}

impl Options {
    /// What a thread has for which nothing is chosen.
    pub(super) const NONE: Self = Self {
        freezable: false,
        movable: false,
        parks_itself: false,
        timer_slack: Delta::ZERO,
        deadline: false,
        memallocs: Memallocs::NONE,
        signals: Signals::NONE,
    };
}

/// The requests to a thread other than parking, one bit each, so that one load finds that there are
/// none.
pub(super) struct Asked;

impl Asked {
    /// To stop.
    ///
    /// This is the sign bit, which can be tested in memory without a load.
    pub(super) const STOP: u32 = 1 << 31;
    /// To notice an interrupt.
    pub(super) const INTERRUPT: u32 = 1;
    /// To look for signals, set permanently in a thread that takes some.
    pub(super) const SIGNALS: u32 = 2;
}

/// A thread without its type parameters.
///
/// # Safety
///
/// The type must be `repr(C)` and not packed, and its first field a [`Core`].
pub(super) unsafe trait Member: Send + Sync {
    /// Asks the thread to stop, without waiting for it.
    ///
    /// May be called from any context.
    fn request_stop(&self) {
        self.core().request_stop();
    }

    /// Brings a thread into a state in which `kthread_stop()` can be called.
    ///
    /// Called before `kthread_stop()`, after [`Core::raise_stop`] and after the thread has entered,
    /// and not by the thread itself.
    fn quiesce(&self) {}

    /// Cleans up the data that only the thread used.
    ///
    /// # Safety
    ///
    /// The task must have exited, and this must be called once.
    unsafe fn reaped(&self) {}

    /// Drops the closure of a thread that never ran.
    ///
    /// # Safety
    ///
    /// The task must have exited without having entered, and this must be called once.
    unsafe fn drop_closure(&self) {}

    /// Drops the value that the thread has stored.
    ///
    /// # Safety
    ///
    /// There must be one, and nobody else may take or drop it.
    unsafe fn drop_value(&self) {}
}

/// Finds the [`Core`] of a [`Member`] without a call, as it is at the same place in all of them.
pub(super) trait HasCore {
    fn core(&self) -> &Core;
}

impl<M: Member + ?Sized> HasCore for M {
    #[inline]
    fn core(&self) -> &Core {
        // SAFETY: `Member` guarantees that a `Core` is the first field.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }
}

/// The operations on the allocation that a [`Core`] begins, for each type.
pub(super) struct Kind {
    /// What the thread runs.
    pub(super) run: unsafe fn(*const Core) -> c_int,
    /// Returns a reference to the allocation.
    pub(super) own: unsafe fn(*const Core) -> Arc<dyn Member>,
}

/// The part of a thread that does not depend on its type, at the beginning of its allocation.
///
/// # Invariants
///
/// - `task` and `exit` are set before any handle, waker or context can reach this `Core`, and do
///   not change afterwards.
/// - If there are `members`, these hold the allocation from before the task exists until it has
///   exited.
/// - `kthread_stop()` is called on the task only once.
/// - The task may call the functions of `kind` with a pointer to this.
#[pin_data]
pub(super) struct Core {
    state: Atomic<State>,
    park: Atomic<Park>,
    handover: Atomic<Handover>,
    asked: Atomic<u32>,
    token: Atomic<bool>,
    claimed: Atomic<bool>,
    /// Whether the thread has been frozen since it last asked.
    ///
    /// Only the thread uses this.
    pub(super) thawed: Atomic<bool>,
    /// The wait queues that the thread is on.
    ///
    /// Only the thread uses this.
    pub(super) waiters: Waiters,
    pub(super) options: Options,
    kind: &'static Kind,
    task: UnsafeCell<Option<(ARef<Task>, Exit)>>,
    members: Option<Arc<Members>>,
    place: Place,
    #[pin]
    entered: Completion,
    #[pin]
    pub(super) control: Mutex<Control>,
    #[pin]
    pub(super) map: LockMap,
}

// SAFETY: None of the fields belongs to a task; what `Exit` points to is shared by design.
unsafe impl Send for Core {}

// SAFETY: By the type invariants `task` does not change once others than its creator can reach the
// `Core`, and all else is `Sync`.
unsafe impl Sync for Core {}

impl Core {
    /// Creates an initialiser for a thread that has no task yet.
    ///
    /// # Safety
    ///
    /// A task may call the functions of `kind`, with a pointer to this.
    pub(super) unsafe fn new(
        members: Option<Arc<Members>>,
        options: Options,
        site: Site,
        kind: &'static Kind,
    ) -> impl PinInit<Self> {
        // INVARIANT: There is no task. The caller guarantees what is required of `kind`.
        pin_init!(Self {
            state: Atomic::new(State::New),
            park: Atomic::new(Park::Running),
            handover: Atomic::new(Handover::Open),
            asked: Atomic::new(match options.signals.is_empty() {
                true => 0,
                false => Asked::SIGNALS,
            }),
            token: Atomic::new(false),
            claimed: Atomic::new(false),
            thawed: Atomic::new(false),
            waiters: Waiters::new(),
            options,
            kind,
            task: UnsafeCell::new(None),
            members,
            place: Place::new(),
            entered <- Completion::new(),
            control <- new_mutex!(Control { reaped: false }),
            map <- LockMap::new(site),
        })
    }

    /// Calls `f` with the current thread, if this code created it.
    pub(super) fn with_current<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
        let task = Task::current_raw();

        // SAFETY: The current task is alive.
        if unsafe { bindings::kthread_func(task) } != thread_fn as *mut c_void {
            return f(None);
        }
        // SAFETY: The task runs `thread_fn`, so its data is a `Core`, which lives as long as the
        // task runs.
        f(Some(unsafe {
            &*bindings::kthread_data(task).cast::<Core>()
        }))
    }

    #[inline]
    fn task_and_exit(&self) -> &(ARef<Task>, Exit) {
        // ORDERING: proofs/litmus/publish-task.litmus
        // SAFETY: By the type invariants `task` is set before any caller gets here, and does not
        // change.
        unsafe { (*self.task.get()).as_ref().unwrap_unchecked() }
    }

    #[inline]
    pub(super) fn task(&self) -> &Task {
        &self.task_and_exit().0
    }

    /// Returns the exit of the task, which is valid as long as `self` is.
    pub(super) fn exit(&self) -> Exit {
        self.task_and_exit().1
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns a reference to the whole of the calling thread.
    pub(super) fn own(&self) -> Arc<dyn Member> {
        // SAFETY: The caller is the task, so by the type invariants `get` may be called with this
        // pointer.
        unsafe { (self.kind.own)(self) }
    }

    /// Returns whether the caller is the thread itself.
    pub(super) fn is_current(&self) -> bool {
        self.task().as_ptr() == Task::current_raw()
    }

    /// Returns whether the task has begun to exit.
    ///
    /// If it has, later reads are not older: a closure that has returned is seen to have returned.
    #[inline]
    pub(super) fn is_exiting(&self) -> bool {
        // ORDERING: proofs/litmus/exiting.litmus
        if task_flags(self.task()) & bindings::PF_EXITING == 0 {
            return false;
        }
        smp_mb(Read);
        true
    }

    /// Returns whether the closure has returned, or never will return.
    pub(super) fn is_finished(&self) -> bool {
        // ORDERING: proofs/litmus/finished.litmus
        self.state.load(Acquire) == State::Done || self.is_exiting()
    }

    /// Returns whether the thread has died: its task exits, and its closure has not returned.
    pub(super) fn has_died(&self) -> bool {
        // ORDERING: proofs/litmus/exiting.litmus
        self.is_exiting() && self.last_state() == State::Entered
    }

    /// Returns how far the thread has got, or had got a moment ago.
    #[inline]
    pub(super) fn last_state(&self) -> State {
        // ORDERING: proofs/litmus/wake-start.litmus
        read_once(&self.state)
    }

    #[inline]
    pub(super) fn stop_requested(&self) -> bool {
        self.asked() & Asked::STOP != 0
    }

    /// Returns the requests to the thread, now or a moment ago.
    #[inline]
    pub(super) fn asked(&self) -> u32 {
        // ORDERING: proofs/litmus/asked-wait.litmus
        read_once(&self.asked)
    }

    /// Changes the requests to the thread, and returns the previous ones.
    ///
    /// This is a full barrier.
    fn change_asked(&self, change: impl Fn(u32) -> u32) -> u32 {
        // ORDERING: proofs/litmus/interrupt-stop.litmus
        // ORDERING: proofs/litmus/stop-start.litmus
        let mut old = self.asked();

        while let Err(now) = self.asked.cmpxchg(old, change(old), Full) {
            old = now;
        }
        old
    }

    /// Takes the token, if there is one.
    ///
    /// Everything before it was left is visible afterwards.
    #[inline]
    pub(super) fn take_token(&self) -> bool {
        // ORDERING: proofs/litmus/wake-data.litmus
        // ORDERING: proofs/litmus/wake-start.litmus
        // ORDERING: proofs/litmus/wake-wait.litmus
        read_once(&self.token) && self.token.xchg(false, Acquire)
    }

    /// Leaves a token and wakes the task, unless that would be its first wake-up.
    #[inline]
    pub(super) fn wake(&self) {
        // ORDERING: proofs/litmus/wake-data.litmus
        // ORDERING: proofs/litmus/wake-start.litmus
        // ORDERING: proofs/litmus/wake-wait.litmus
        if self.last_state() == State::New {
            self.token.xchg(true, Full);
            // The barrier pairs with the one of `wake_up_process()` in `start`: either the new
            // state is seen here, or the starting thread sees the token.
            if self.last_state() == State::New {
                return;
            }
        } else {
            // It stays started, and `wake_up_process()` has the barrier. If several callers leave a
            // token, the thread that takes it sees what each of them did before, which a plain
            // store would not guarantee.
            self.token.xchg(true, Release);
        }
        self.task().wake_up();
    }

    /// Sets the request to stop, and returns whether it was not set before.
    ///
    /// Later reads are not older than that.
    pub(super) fn raise_stop(&self) -> bool {
        self.change_asked(|asked| asked | Asked::STOP) & Asked::STOP == 0
    }

    /// Asks the closure to return: all that `kthread_stop()` does except waiting.
    ///
    /// May be called from any context.
    pub(super) fn request_stop(&self) {
        // ORDERING: proofs/litmus/asked-join.litmus
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/interrupt-stop.litmus
        // ORDERING: proofs/litmus/stop-finished.litmus
        // ORDERING: proofs/litmus/stop-parked.litmus
        // ORDERING: proofs/litmus/stop-start.litmus
        // ORDERING: proofs/litmus/stop-unpark.litmus
        if !self.raise_stop() {
            return;
        }
        self.unpark();
        // Pairs with `start`: either the new state is seen here, or the request there.
        if self.last_state() != State::New {
            self.end_sleeps();
        }
    }

    /// Ends the interruptible sleeps of the task, now and later, and wakes it.
    ///
    /// The thread must have been started.
    pub(super) fn end_sleeps(&self) {
        // ORDERING: proofs/litmus/asked-join.litmus
        // ORDERING: proofs/litmus/asked-sleep.litmus
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/interrupt-stop.litmus
        set_notify_signal(self.task());
        self.task().wake_up();
    }

    /// Ends the interruptible sleep of the task, or its next one, until the thread has taken the
    /// interrupt.
    ///
    /// The thread must have been started.
    ///
    /// May be called from any context.
    pub(super) fn interrupt(&self) {
        // ORDERING: proofs/litmus/asked-sleep.litmus
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/interrupt-flag.litmus
        // This is the lock of a completion that nobody waits for any more, or not for long.
        self.entered.with_lock(|| {
            self.change_asked(|asked| asked | Asked::INTERRUPT);
            set_notify_signal(self.task());
        });
        self.task().wake_up();
    }

    /// Takes the interrupt, if there is one.
    ///
    /// Everything before it was sent is visible afterwards. The caller is the thread itself.
    pub(super) fn take_interrupt(&self) -> bool {
        // ORDERING: proofs/litmus/interrupt-flag.litmus
        // ORDERING: proofs/litmus/interrupt-stop.litmus
        if self.asked() & Asked::INTERRUPT == 0 {
            return false;
        }
        self.entered.with_lock(|| {
            self.change_asked(|asked| asked & !Asked::INTERRUPT);
            clear_notify_signal();
        });
        // A request to stop is set before it ends sleeps. If it already had, this has just been
        // undone.
        smp_mb(Full);
        if self.stop_requested() {
            set_notify_signal(self.task());
        }
        true
    }

    /// Wakes the thread for the first time.
    ///
    /// Does nothing if the group has reaped the thread already.
    pub(super) fn start(&self) {
        // ORDERING: proofs/litmus/publish-task.litmus
        // ORDERING: proofs/litmus/start-reap.litmus
        // ORDERING: proofs/litmus/stop-start.litmus
        // ORDERING: proofs/litmus/wake-start.litmus
        let control = self.control.lock();

        if control.reaped {
            return;
        }
        self.state.store(State::Started, Relaxed);
        // This is a full barrier between the write of the state and the reads below.
        self.task().wake_up();
        if self.stop_requested() {
            self.end_sleeps();
        }
    }

    /// Asks kthreadd for the task, whose name `format` prints.
    ///
    /// With a `cpu`, the task is bound to that CPU, and `node` is ignored.
    ///
    /// Sleeps.
    ///
    /// # Safety
    ///
    /// - `format` takes no arguments.
    /// - There is no task yet, and nobody but the caller uses this `Core`.
    /// - With a `cpu`, the caller keeps [CPU hotplug off](hotplug::lock).
    /// - This `Core` is not moved until the task has exited.
    #[inline]
    pub(super) unsafe fn fork(&self, format: &CStr, node: c_int, cpu: Option<CpuId>) -> Result {
        // ORDERING: proofs/litmus/close-create.litmus
        // ORDERING: proofs/litmus/publish-task.litmus
        might_sleep();

        let data = core::ptr::from_ref(self).cast_mut().cast::<c_void>();
        let format = format.as_char_ptr();
        let task = match cpu {
            // SAFETY: The caller guarantees that this `Core` stays until the task has exited, so
            // `thread_fn` may be called with `data`, and that the format takes no arguments.
            None => unsafe {
                bindings::kthread_create_on_node(Some(thread_fn), data, node, format)
            },
            Some(cpu) => {
                hotplug::check_online(cpu)?;
                // SAFETY: `thread_fn` may be called with `data`, and the format takes no arguments,
                // as above. The CPU is online, and so possible.
                unsafe {
                    bindings::kthread_create_on_cpu(Some(thread_fn), data, cpu.as_u32(), format)
                }
            }
        };
        let task = kernel::error::from_err_ptr(task)?;

        // SAFETY: The task was just created, and cannot exit before it is woken or stopped, which
        // only the caller can do. So it is alive.
        let task = ARef::from(unsafe { &*task.cast::<Task>() });
        // SAFETY: The task has not been woken, and its exit is stored together with a reference to
        // it.
        let exit = unsafe { Exit::of(&task) };

        // INVARIANT: Nobody but the caller uses this `Core` yet.
        // SAFETY: Nobody but the caller uses this `Core`, so nobody reads `task`.
        unsafe { *self.task.get() = Some((task, exit)) };
        Ok(())
    }

    /// Records that the thread function runs, and owns the closure.
    #[inline(never)]
    pub(super) fn enter(&self) {
        // ORDERING: proofs/litmus/enter-stop.litmus
        self.options.signals.allow();
        if !self.options.memallocs.is_empty() {
            self.options.memallocs.save();
        }
        self.state.store(State::Entered, Relaxed);
        self.entered.complete_all();
        if self.options.freezable {
            // A freeze before the closure runs does not concern it.
            set_freezable();
        }
    }

    /// Records that the closure has returned.
    pub(super) fn done(&self) {
        // ORDERING: proofs/litmus/exiting.litmus
        // ORDERING: proofs/litmus/finished.litmus
        self.state.store(State::Done, Release);
    }

    /// Records that there is nothing left to park.
    ///
    /// Fails while the thread is parked or about to be parked.
    pub(super) fn finish(&self) -> bool {
        // ORDERING: proofs/litmus/finish-park.litmus
        self.park
            .cmpxchg(Park::Running, Park::Finished, Release)
            .is_ok()
    }

    /// Lets go of the table, if nobody is about to wait for the thread.
    ///
    /// Called last.
    #[inline(never)]
    pub(super) fn leave(&self) {
        if read_once(&self.claimed) {
            return;
        }
        if let Some(members) = &self.members {
            members.leave(&self.place, read_once(&self.handover) == Handover::Stored);
        }
    }

    /// Records that the caller is about to wait for the exit of the task, and will clean up.
    pub(super) fn claim(&self) {
        write_once(&self.claimed, true);
    }

    /// Removes the thread from its table.
    ///
    /// The task must have exited.
    pub(super) fn remove(&self) {
        if let Some(members) = &self.members {
            members.remove(&self.place);
        }
    }

    /// Tells those who wait for the thread to enter that it never will.
    pub(super) fn never_entered(&self) {
        self.entered.complete_all();
    }

    /// Waits until the thread function runs.
    ///
    /// The thread must have been started.
    pub(super) fn wait_entered(&self) {
        // ORDERING: proofs/litmus/enter-stop.litmus
        // Most threads have entered long ago.
        if self.last_state() < State::Entered {
            self.entered.wait_for_completion();
        }
    }

    /// Records that the value is stored, and returns whether someone may take it.
    ///
    /// If not, the caller owns it.
    pub(super) fn hand_over(&self) -> bool {
        // ORDERING: proofs/litmus/value.litmus
        // Abandoned is final: it also means that there is no value any more.
        self.handover
            .cmpxchg(Handover::Open, Handover::Stored, Release)
            .is_ok()
    }

    /// Records that nobody else will take the value, and returns whether it is stored, in which
    /// case the caller owns it.
    pub(super) fn abandon(&self) -> bool {
        // ORDERING: proofs/litmus/value.litmus
        self.handover.xchg(Handover::Abandoned, Acquire) == Handover::Stored
    }

    /// Returns whether the thread is parked.
    pub(super) fn is_parked(&self) -> bool {
        matches!(read_once(&self.park), Park::Parked | Park::FinishedParked)
    }

    /// Returns whether someone is parking the thread, and waits for it.
    pub(super) fn is_being_parked(&self) -> bool {
        // ORDERING: proofs/litmus/stop-park.litmus
        read_once(&self.park) == Park::Asked
    }

    /// Parks the thread.
    ///
    /// See `Thread::park`.
    pub(super) fn park(&self) -> Result {
        // ORDERING: proofs/litmus/finish-park.litmus
        // ORDERING: proofs/litmus/park-wait.litmus
        // ORDERING: proofs/litmus/stop-finished.litmus
        // ORDERING: proofs/litmus/stop-park.litmus
        // ORDERING: proofs/litmus/stop-unpark.litmus
        might_sleep();

        if self.is_current() {
            return Err(edeadlk());
        }
        // A thread that parks before its first instruction would have to be unparked by the caller
        // that stops it, for its closure to run.
        self.wait_entered();
        loop {
            // The request to stop is checked again below, after a barrier. Checking here saves the
            // rest.
            if self.stop_requested() || self.has_died() {
                return Err(ESRCH);
            }
            match self.park.cmpxchg(Park::Running, Park::Asked, Full) {
                Ok(_) => return self.wait_parked(),
                // Only a caller that parks the thread changes these, and this caller has the
                // handle.
                Err(Park::Parked | Park::FinishedParked) => return Err(EBUSY),
                Err(_) => {}
            }
            // The closure no longer runs.
            if self
                .park
                .cmpxchg(Park::Finished, Park::FinishedParked, Full)
                .is_ok()
            {
                // As in `wait_parked`.
                if self.stop_requested() {
                    self.unpark();
                    return Err(ESRCH);
                }
                return Ok(());
            }
        }
    }

    /// Calls `kthread_park()`.
    ///
    /// The caller has asked the thread to park.
    fn wait_parked(&self) -> Result {
        // ORDERING: proofs/litmus/finish-unasked.litmus
        // ORDERING: proofs/litmus/park-wait.litmus
        // ORDERING: proofs/litmus/parked-unpark.litmus
        // ORDERING: proofs/litmus/stop-park.litmus
        // ORDERING: proofs/litmus/stop-parked.litmus
        // ORDERING: proofs/litmus/stop-unpark.litmus
        // The barrier of `park` pairs with that of `request_stop`: a caller that asks the thread to
        // stop either sees that it is asked to park, and leaves it alone, or its request is seen
        // here.
        if !self.stop_requested() {
            // SAFETY: The task is alive. As it is Asked, it does not exit before it has parked,
            // unless it dies, and nobody calls `kthread_stop()`. Only the holder of the handle
            // parks it.
            let ret = unsafe { bindings::kthread_park(self.task().as_ptr()) };

            // It returns an error if the thread has died.
            if ret == 0 {
                self.park.xchg(Park::Parked, Full);
                // Either the caller that asks it to stop unparks it, or this does.
                if !self.stop_requested() {
                    return Ok(());
                }
                self.unpark();
                return Err(ESRCH);
            }
        }
        self.park.xchg(Park::Running, Relaxed);
        // The thread may have found that it cannot finish.
        self.task().wake_up();
        Err(ESRCH)
    }

    /// Lets a parked thread go on, and returns whether it was parked.
    ///
    /// May be called from any context.
    pub(super) fn unpark(&self) -> bool {
        // ORDERING: proofs/litmus/finished-unpark.litmus
        // ORDERING: proofs/litmus/parked-unpark.litmus
        // ORDERING: proofs/litmus/stop-finished.litmus
        // ORDERING: proofs/litmus/stop-parked.litmus
        // ORDERING: proofs/litmus/stop-unpark.litmus
        match read_once(&self.park) {
            Park::Parked => {
                if self
                    .park
                    .cmpxchg(Park::Parked, Park::Running, Acquire)
                    .is_err()
                {
                    return false;
                }
                // SAFETY: `self` holds a reference to the task. It is parked, and stays parked
                // until this is called, as only the caller that changes the state above calls it.
                unsafe { bindings::kthread_unpark(self.task().as_ptr()) };
                true
            }
            Park::FinishedParked => self
                .park
                .cmpxchg(Park::FinishedParked, Park::Finished, Relaxed)
                .is_ok(),
            _ => false,
        }
    }
}

/// What the task of every thread runs.
///
/// All threads have the same function, so that a thread can recognise its own kind: see
/// [`Core::with_current`].
///
/// # Safety
///
/// Must only be run by a task that [`Core::fork`] made, with the pointer that it passed.
unsafe extern "C" fn thread_fn(data: *mut c_void) -> c_int {
    let core = data.cast_const().cast::<Core>();

    // SAFETY: The caller guarantees that `data` is the `Core` of this task, and by its invariants
    // `run` may be called with it.
    unsafe { ((*core).kind.run)(core) }
}
