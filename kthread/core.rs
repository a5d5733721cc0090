// SPDX-License-Identifier: GPL-2.0

//! The state of a thread, and who may touch what when.
//!
//! # What there is
//!
//! Every thread has one allocation, which begins with a [`Core`] and goes on with what depends on
//! its type: closure and value of a thread (`packet.rs`, `detached.rs`), or the queue of a worker
//! (`worker/raw.rs`). It is shared by
//!
//! - the task, by a pointer that is not counted. A member of a group or a scope relies on its
//!   table, which holds the allocation until the task has exited. A detached thread has a reference
//!   of its own.
//! - the table of members.
//! - the handle, of which there is at most one: `NewThread`, `Thread`, `Worker`.
//! - any number of `Waker`s and `Observer`s.
//!
//! # How far it has come
//!
//! [`State`] only moves forward, and says whose the closure and the value are:
//!
//! - New: there is a closure. Nobody touches it but who creates the thread, or who reaps it.
//! - Started: the same. `control` excludes starting and reaping from each other.
//! - Entered: the task owns the closure.
//! - Done: the closure has returned.
//!
//! The value is handed over by [`Handover`]: either the task stores it, and finds that nobody will
//! take it, or whoever gives up the handle finds that it has been stored. The second of both drops
//! it. Whoever takes or drops it makes that Abandoned, which is the last state, so that there is
//! one. A thread that died is in Entered when its task has exited, and has no value.
//!
//! # What it is asked for
//!
//! - To stop: [`Asked::STOP`] is raised, and never lowered. What follows is what `kthread_stop()`
//!   does, but for the waiting: the thread is unparked, its interruptible sleeps end, and it is
//!   woken.
//! - To notice an interrupt, which is raised likewise, and lowered by the closure, which takes it.
//!   What ends the sleep, `TIF_NOTIFY_SIGNAL`, is set and cleared together with the request, under
//!   a lock, so that there is never the one without the other. A request to stop sets it for good:
//!   whoever clears it looks for such a request after that.
//! - To wake up: `token` is set, and the wait that finds it takes it.
//! - To park: [`Park`]. Only the holder of the handle asks for it, and only while the thread has
//!   not been asked to stop.
//!
//! Whoever asks writes the flag, then has a full barrier, and then looks at the state of the
//! thread, or wakes it, which does so. The thread writes its state, then has a full barrier, and
//! then looks at the flags. So one of both sees the other.
//!
//! # Park against stop, exit and reap
//!
//! `kthread_park()` returns when the thread has parked, and never if the thread exits instead, or
//! `kthread_stop()` takes the request back. Hence:
//!
//! - It is called between Running -> Asked and Asked -> Parked, and only if the thread has not been
//!   asked to stop when Asked is set.
//! - A thread exits only after Running -> Finished, which fails while it is Asked.
//! - `kthread_stop()` is called once the thread has been asked to stop, and if it is Asked then,
//!   only after the task has exited.
//! - If the thread is asked to stop while it is Asked, the one who parks it undoes that, and says
//!   so.
//!
//! # Who waits
//!
//! Everybody waits for [`Exit`], the completion of the kernel's own for the exit of a task, so that
//! a thread that dies ends all waits. What is left of a thread is taken out of the table by whoever
//! waited for it; if nobody is about to (`claimed`), by the next thread that ends in the same
//! table.

use super::{
    barrier::{
        smp_mb,
        Read, //
    },
    completion::Completion,
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
    }, //
};

/// How far a thread has come. See the top of this file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(super) enum State {
    /// Never woken.
    New = 0,
    /// Woken, or about to be.
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

/// Whether a thread is parked. See the top of this file.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
enum Park {
    /// It is not.
    Running = 0,
    /// `kthread_park()` is being called.
    Asked = 1,
    /// `kthread_park()` has returned.
    Parked = 2,
    /// The closure has returned, and the task exits: there is nothing to park.
    Finished = 3,
    /// The same, and the holder of the handle takes it for parked.
    FinishedParked = 4,
}

// SAFETY: `Park` has the size and alignment of `i32`, and every `Park` survives the way to `i32`
// and back.
unsafe impl AtomicType for Park {
    type Repr = i32;
}

/// Who has come first, the value or the end of the handle. See the top of this file.
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

/// Makes starting a thread and reaping it exclude each other.
///
/// Whoever reaps it has this locked until the task has exited, so the task itself must not lock it.
pub(super) struct Control {
    /// `kthread_stop()` has returned: the task has exited.
    pub(super) reaped: bool,
}

/// What is chosen about a thread once and for all.
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// Whether the freezer freezes it.
    pub(super) freezable: bool,
    /// Whether its CPUs can be changed: it is placed by `Placement::Cpus`.
    pub(super) movable: bool,
    /// Whether its closure parks it, and not its waits.
    pub(super) parks_itself: bool,
    /// How much later its waits may end, in nanoseconds.
    pub(super) timer_slack: u64,
    /// Whether it has been made with a deadline, which nobody else changes.
    pub(super) deadline: bool,
    /// What is said of all its allocations.
    pub(super) memallocs: Memallocs,
    /// Which signals it takes.
    pub(super) signals: Signals,
}

/// What a thread is asked for beside parking, one bit each, so that those who are asked for nothing
/// look once.
pub(super) struct Asked;

impl Asked {
    /// To stop. It is the sign, for which a word is tested where it is, without being loaded.
    pub(super) const STOP: u32 = 1 << 31;
    /// To notice an interrupt.
    pub(super) const INTERRUPT: u32 = 1;
    /// To look for signals, always: it takes some.
    pub(super) const SIGNALS: u32 = 2;
}

/// A thread, seen without its types.
pub(super) trait Member: Send + Sync {
    fn core(&self) -> &Core;

    /// Asks the thread to stop, without waiting for it. May be called from any context.
    fn request_stop(&self) {
        self.core().request_stop();
    }

    /// Brings a thread that can not be stopped at any time into a state in which it can.
    ///
    /// Called before `kthread_stop()`, after the thread has been told to stop by
    /// [`Core::raise_stop`] and has entered, and not by the thread itself.
    fn quiesce(&self) {}

    /// Cleans up what only the thread used.
    ///
    /// # Safety
    ///
    /// The task must have exited, and this must be called once.
    unsafe fn reaped(&self) {}

    /// Drops what a thread that never ran would have run.
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

/// What is known of the allocation that a [`Core`] begins, for each type of it.
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
/// - `task` and `exit` are set before any handle, waker or context can reach this `Core`, and never
///   again.
/// - If there are `members`, these hold the allocation from before the task exists until it has
///   exited.
/// - `kthread_stop()` is called on the task only once.
/// - What `kind` has may be called by the task, with a pointer to this.
#[pin_data]
pub(super) struct Core {
    state: Atomic<State>,
    park: Atomic<Park>,
    handover: Atomic<Handover>,
    asked: Atomic<u32>,
    token: Atomic<bool>,
    claimed: Atomic<bool>,
    /// Whether the thread has been frozen, and has not taken note of that. It alone uses this.
    pub(super) thawed: Atomic<bool>,
    /// Where the thread waits beside. It alone uses this.
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

// SAFETY: `task` does not change from when others than its creator can reach the `Core`, by the
// type invariants, and all else is `Sync`.
unsafe impl Sync for Core {}

impl Core {
    /// Creates an initialiser for a thread that has no task yet.
    ///
    /// # Safety
    ///
    /// A task may call what `kind` has, with a pointer to this.
    pub(super) unsafe fn new(
        members: Option<Arc<Members>>,
        options: Options,
        site: Site,
        kind: &'static Kind,
    ) -> impl PinInit<Self> {
        // INVARIANT: There is no task. `kind` is as required of the caller.
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

    /// Calls `f` with the thread that is the current task, if it is one that this code has made.
    pub(super) fn with_current<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
        let task = Task::current_raw();

        // SAFETY: The current task is alive.
        if unsafe { bindings::kthread_func(task) } != thread_fn as *mut c_void {
            return f(None);
        }
        // SAFETY: The task runs `thread_fn`, so that its data are a `Core`, which is there as long
        // as the task runs.
        f(Some(unsafe {
            &*bindings::kthread_data(task).cast::<Core>()
        }))
    }

    #[inline]
    fn task_and_exit(&self) -> &(ARef<Task>, Exit) {
        // ORDERING: proofs/litmus/publish-task.litmus
        // SAFETY: By the type invariants `task` is there before anybody gets here, and does not
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

    /// Returns a reference to the whole of the thread, which is the caller.
    pub(super) fn own(&self) -> Arc<dyn Member> {
        // SAFETY: By the type invariants, and the caller is the task.
        unsafe { (self.kind.own)(self) }
    }

    /// Returns whether the caller is the thread itself.
    pub(super) fn is_current(&self) -> bool {
        self.task().as_ptr() == Task::current_raw()
    }

    /// Returns whether the task has begun to exit.
    ///
    /// If it has, what is read after this is not older: a closure that has returned is seen to
    /// have.
    #[inline]
    pub(super) fn is_exiting(&self) -> bool {
        // ORDERING: proofs/litmus/exiting.litmus
        if task_flags(self.task()) & bindings::PF_EXITING == 0 {
            return false;
        }
        smp_mb(Read);
        true
    }

    /// Returns whether the closure has returned, or never will.
    pub(super) fn is_finished(&self) -> bool {
        // ORDERING: proofs/litmus/finished.litmus
        self.state.load(Acquire) == State::Done || self.is_exiting()
    }

    /// Returns whether the thread has died: its task exits, and its closure has not returned.
    pub(super) fn has_died(&self) -> bool {
        // ORDERING: proofs/litmus/exiting.litmus
        self.is_exiting() && self.last_state() == State::Entered
    }

    /// Returns how far the thread has come, or had a moment ago.
    #[inline]
    pub(super) fn last_state(&self) -> State {
        // ORDERING: proofs/litmus/wake-start.litmus
        read_once(&self.state)
    }

    #[inline]
    pub(super) fn stop_requested(&self) -> bool {
        self.asked() & Asked::STOP != 0
    }

    /// Returns what the thread is asked for, or was a moment ago.
    #[inline]
    pub(super) fn asked(&self) -> u32 {
        // ORDERING: proofs/litmus/asked-wait.litmus
        read_once(&self.asked)
    }

    /// Changes what the thread is asked for, and returns what it was asked for before. A full
    /// barrier.
    fn change_asked(&self, change: impl Fn(u32) -> u32) -> u32 {
        // ORDERING: proofs/litmus/interrupt-stop.litmus
        // ORDERING: proofs/litmus/stop-start.litmus
        let mut old = self.asked();

        while let Err(now) = self.asked.cmpxchg(old, change(old), Full) {
            old = now;
        }
        old
    }

    /// Takes the token, if there is one. What was done before it was left has happened.
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
            // The barrier pairs with the one of `wake_up_process()` in `start`: either the state is
            // seen to have changed, or the thread that starts sees the token.
            if self.last_state() == State::New {
                return;
            }
        } else {
            // It stays started, and `wake_up_process()` has the barrier. Of several who leave a
            // token, what each did before has happened for whoever takes it, which a store would
            // not see to.
            self.token.xchg(true, Release);
        }
        self.task().wake_up();
    }

    /// Raises the request to stop, and returns whether it had not been raised before.
    ///
    /// The rest of what is seen afterwards is not older than that.
    pub(super) fn raise_stop(&self) -> bool {
        self.change_asked(|asked| asked | Asked::STOP) & Asked::STOP == 0
    }

    /// Asks the closure to return: all that `kthread_stop()` does but to wait.
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
        // Pairs with `start`: either the state is seen to have changed here, or the request there.
        if self.last_state() != State::New {
            self.end_sleeps();
        }
    }

    /// Ends the interruptible sleeps of the task, now and later, and wakes it. It has been started.
    pub(super) fn end_sleeps(&self) {
        // ORDERING: proofs/litmus/asked-join.litmus
        // ORDERING: proofs/litmus/asked-sleep.litmus
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/interrupt-stop.litmus
        set_notify_signal(self.task());
        self.task().wake_up();
    }

    /// Ends the interruptible sleep of the task, or its next one, until the thread has taken this.
    /// It has been started.
    ///
    /// May be called from any context.
    pub(super) fn interrupt(&self) {
        // ORDERING: proofs/litmus/asked-sleep.litmus
        // ORDERING: proofs/litmus/asked-wait.litmus
        // ORDERING: proofs/litmus/interrupt-flag.litmus
        // The lock of a completion that nobody waits for any more, or for long.
        self.entered.with_lock(|| {
            self.change_asked(|asked| asked | Asked::INTERRUPT);
            set_notify_signal(self.task());
        });
        self.task().wake_up();
    }

    /// Takes the interrupt, if there is one. What was done before it was sent has happened. The
    /// caller is the thread itself.
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
        // A request to stop is raised before it ends sleeps. If it has done so already, that was
        // undone just now.
        smp_mb(Full);
        if self.stop_requested() {
            set_notify_signal(self.task());
        }
        true
    }

    /// First wake-up. Does nothing if the group has reaped the thread already.
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
        // This is a full barrier between the state and what is looked at below.
        self.task().wake_up();
        if self.stop_requested() {
            self.end_sleeps();
        }
    }

    /// Asks kthreadd for the task.
    ///
    /// With a `cpu`, the task is bound to that CPU, `name` must be a format that stands for itself,
    /// and `node` is ignored.
    ///
    /// Sleeps.
    ///
    /// # Safety
    ///
    /// - There is no task yet, and nobody but the caller uses this `Core`.
    /// - With a `cpu`, the caller keeps [CPU hotplug off](hotplug::lock).
    /// - It stays where it is until the task has exited.
    pub(super) unsafe fn fork(&self, name: &CStr, node: c_int, cpu: Option<CpuId>) -> Result {
        // ORDERING: proofs/litmus/close-create.litmus
        // ORDERING: proofs/litmus/publish-task.litmus
        might_sleep();

        let data = core::ptr::from_ref(self).cast_mut().cast::<c_void>();
        let name = name.as_char_ptr();
        let task = match cpu {
            // SAFETY: By the requirements of this function `thread_fn` may be called with `data`.
            // The format expects one C string, and `name` is one that outlives the call.
            None => unsafe {
                bindings::kthread_create_on_node(
                    Some(thread_fn),
                    data,
                    node,
                    c"%s".as_char_ptr(),
                    name,
                )
            },
            Some(cpu) => {
                hotplug::check_online(cpu)?;
                // SAFETY: As above, but that `name` is the format, which stands for itself. The CPU
                // is online, and so possible.
                unsafe {
                    bindings::kthread_create_on_cpu(Some(thread_fn), data, cpu.as_u32(), name)
                }
            }
        };
        let task = kernel::error::from_err_ptr(task)?;

        // SAFETY: The task was created just now, and can not exit before it is woken or stopped,
        // which nobody but the caller can do. So it is alive.
        let task = ARef::from(unsafe { &*task.cast::<Task>() });
        // SAFETY: The task has not been woken, and its exit is kept together with a reference to
        // it.
        let exit = unsafe { Exit::of(&task) };

        // INVARIANT: Nobody but the caller uses this `Core` yet.
        // SAFETY: As above, nobody reads `task`.
        unsafe { *self.task.get() = Some((task, exit)) };
        Ok(())
    }

    /// Says that the thread function runs, and owns the closure.
    pub(super) fn enter(&self) {
        // ORDERING: proofs/litmus/enter-stop.litmus
        self.options.signals.allow();
        if !self.options.memallocs.is_empty() {
            self.options.memallocs.save();
        }
        self.state.store(State::Entered, Relaxed);
        self.entered.complete_all();
        if self.options.freezable {
            // What was frozen before the closure runs is nothing to it.
            set_freezable();
        }
    }

    /// Says that the closure has returned.
    pub(super) fn done(&self) {
        // ORDERING: proofs/litmus/exiting.litmus
        // ORDERING: proofs/litmus/finished.litmus
        self.state.store(State::Done, Release);
    }

    /// Says that there is nothing to park any more. Fails while the thread is parked or about to
    /// be.
    pub(super) fn finish(&self) -> bool {
        // ORDERING: proofs/litmus/finish-park.litmus
        self.park
            .cmpxchg(Park::Running, Park::Finished, Release)
            .is_ok()
    }

    /// Gives way to the next one, if nobody is about to wait for the thread. Called at last.
    pub(super) fn leave(&self) {
        if read_once(&self.claimed) {
            return;
        }
        if let Some(members) = &self.members {
            members.leave(&self.place, read_once(&self.handover) == Handover::Stored);
        }
    }

    /// Says that the caller is about to wait for the exit of the task, and then lets go of the
    /// rest.
    pub(super) fn claim(&self) {
        write_once(&self.claimed, true);
    }

    /// Removes the thread from its table. The task has exited.
    pub(super) fn remove(&self) {
        if let Some(members) = &self.members {
            members.remove(&self.place);
        }
    }

    /// Says that the thread will never enter, to those who wait for that.
    pub(super) fn never_entered(&self) {
        self.entered.complete_all();
    }

    /// Waits until the thread function runs. The thread has been started.
    pub(super) fn wait_entered(&self) {
        // ORDERING: proofs/litmus/enter-stop.litmus
        // Most threads have done so long ago.
        if self.last_state() < State::Entered {
            self.entered.wait_for_completion();
        }
    }

    /// Says that the value is stored, and returns whether someone may take it. If not, it is the
    /// caller's.
    pub(super) fn hand_over(&self) -> bool {
        // ORDERING: proofs/litmus/value.litmus
        // Abandoned stays so: it says that there is no value any more, too.
        self.handover
            .cmpxchg(Handover::Open, Handover::Stored, Release)
            .is_ok()
    }

    /// Says that nobody else will take the value, and returns whether the caller can: it has been
    /// stored.
    pub(super) fn abandon(&self) -> bool {
        // ORDERING: proofs/litmus/value.litmus
        self.handover.xchg(Handover::Abandoned, Acquire) == Handover::Stored
    }

    /// Returns whether the thread is parked.
    pub(super) fn is_parked(&self) -> bool {
        matches!(read_once(&self.park), Park::Parked | Park::FinishedParked)
    }

    /// Returns whether someone parks the thread just now, and waits for that.
    pub(super) fn is_being_parked(&self) -> bool {
        // ORDERING: proofs/litmus/stop-park.litmus
        read_once(&self.park) == Park::Asked
    }

    /// Parks the thread. See `Thread::park`.
    pub(super) fn park(&self) -> Result {
        // ORDERING: proofs/litmus/finish-park.litmus
        // ORDERING: proofs/litmus/park-wait.litmus
        // ORDERING: proofs/litmus/stop-finished.litmus
        // ORDERING: proofs/litmus/stop-park.litmus
        // ORDERING: proofs/litmus/stop-unpark.litmus
        // A thread that parks before its first instruction would have to be unparked again by
        // whoever stops it, for its closure to run.
        self.wait_entered();
        loop {
            // That it is asked to stop is looked at again below, behind a barrier: here it saves
            // the rest.
            if self.stop_requested() || self.has_died() {
                return Err(ESRCH);
            }
            match self.park.cmpxchg(Park::Running, Park::Asked, Full) {
                Ok(_) => return self.wait_parked(),
                // Only whoever parks the thread changes these, and the caller has the handle.
                Err(Park::Parked | Park::FinishedParked) => return Err(EBUSY),
                Err(_) => {}
            }
            // It does not run any more.
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

    /// Calls `kthread_park()`. The thread is asked to park, by the caller.
    fn wait_parked(&self) -> Result {
        // ORDERING: proofs/litmus/finish-unasked.litmus
        // ORDERING: proofs/litmus/park-wait.litmus
        // ORDERING: proofs/litmus/parked-unpark.litmus
        // ORDERING: proofs/litmus/stop-park.litmus
        // ORDERING: proofs/litmus/stop-parked.litmus
        // ORDERING: proofs/litmus/stop-unpark.litmus
        // The barrier of `park` pairs with that of `request_stop`: whoever asks the thread to stop
        // sees that it is asked to park, and leaves it alone, or is seen here.
        if !self.stop_requested() {
            // SAFETY: The task is alive, and does not exit before it has parked, as it is Asked,
            // unless it dies. For the same reason nobody calls `kthread_stop()`. Only the holder of
            // the handle parks it.
            let ret = unsafe { bindings::kthread_park(self.task().as_ptr()) };

            // It says so if the thread has died meanwhile.
            if ret == 0 {
                self.park.xchg(Park::Parked, Full);
                // As above: it is unparked by whoever asks it to stop, or here.
                if !self.stop_requested() {
                    return Ok(());
                }
                self.unpark();
                return Err(ESRCH);
            }
        }
        self.park.xchg(Park::Running, Relaxed);
        // It may have found that it can not finish.
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
                // SAFETY: `self` holds a reference to the task. It is parked, and stays so until
                // this is called, as whoever changes the state above does so.
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
/// There is one such function, so that a thread can tell its own kind: see [`Core::with_current`].
///
/// # Safety
///
/// Must only be run by a task that [`Core::fork`] made, with the pointer that it passed.
unsafe extern "C" fn thread_fn(data: *mut c_void) -> c_int {
    let core = data.cast_const().cast::<Core>();

    // SAFETY: By the requirements of this function `data` is a `Core` whose task this is, and by
    // its invariants `run` may be called with it.
    unsafe { ((*core).kind.run)(core) }
}
