// SPDX-License-Identifier: GPL-2.0

//! What a thread and those who handle it share, and the function that the task runs.

use super::{
    completion::Completion,
    context::Context,
    group::Members, //
};
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            AtomicType,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    task::{
        might_sleep,
        Task, //
    },
    types::ScopeGuard, //
};

/// How far a thread has come. It only ever moves forward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(super) enum State {
    /// Never woken.
    New = 0,
    /// Woken, or about to be.
    Started = 1,
    /// The entry function has begun and owns the closure.
    Entered = 2,
    /// The closure has returned and its value is stored.
    Done = 3,
}

// SAFETY: `State` has the size and alignment of `i32`, and every `State` survives the way to `i32`
// and back.
unsafe impl AtomicType for State {
    type Repr = i32;
}

/// What excludes starting, parking and stopping the task from each other.
///
/// Whoever stops the task has it locked until the task is gone, so the task itself must not lock it.
pub(super) struct Control {
    /// `kthread_stop()` has returned: the task is gone.
    pub(super) reaped: bool,
}

/// The part of a [`Packet`] that depends on neither closure nor value.
///
/// # Invariants
///
/// - `task` is populated before any handle, waker or context can reach this `Core`.
/// - The table of `members` holds the packet of this `Core` from before the task exists until
///   `kthread_stop()` on the task has returned.
/// - `kthread_stop()` is called on the task only by [`reap`], with `control` locked, and only once.
#[pin_data]
pub(super) struct Core {
    pub(super) state: Atomic<State>,
    stop_requested: Atomic<bool>,
    /// A wake-up that no wait has consumed yet.
    token: Atomic<bool>,
    /// Nobody is left to take the value: whoever reaps the thread drops it.
    abandoned: Atomic<bool>,
    /// `kthread_park()` has returned, and `kthread_unpark()` has not been called since. Only the
    /// holder of the handle changes it.
    pub(super) parked: Atomic<bool>,
    pub(super) freezable: bool,
    task: SetOnce<ARef<Task>>,
    members: Arc<Members>,
    /// Where the table of `members` holds this packet. Used under the lock of that table.
    pub(super) index: Atomic<usize>,
    #[pin]
    entered: Completion,
    #[pin]
    done: Completion,
    #[pin]
    pub(super) control: Mutex<Control>,
}

impl Core {
    fn new(members: Arc<Members>, freezable: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            state: Atomic::new(State::New),
            stop_requested: Atomic::new(false),
            token: Atomic::new(false),
            abandoned: Atomic::new(false),
            parked: Atomic::new(false),
            freezable,
            task: SetOnce::new(),
            members,
            index: Atomic::new(usize::MAX),
            entered <- Completion::new(),
            done <- Completion::new(),
            control <- new_mutex!(Control { reaped: false }),
        })
    }

    pub(super) fn task(&self) -> &Task {
        // SAFETY: By the type invariants `task` is populated before anybody gets here.
        unsafe { self.task.as_ref().unwrap_unchecked() }
    }

    /// Tells whether the caller is the thread itself.
    pub(super) fn is_current(&self) -> bool {
        self.task().as_ptr() == Task::current_raw()
    }

    /// Tells whether the task has begun to exit, which it does by itself only if it died.
    pub(super) fn is_exiting(&self) -> bool {
        // SAFETY: The task is alive as a structure, because `self` holds a reference to it. `flags`
        // may change under the read, as it may for C's own readers of other tasks' flags, so that
        // it is read once and as volatile.
        let flags = unsafe { (&raw const (*self.task().as_ptr()).flags).read_volatile() };

        flags & bindings::PF_EXITING != 0
    }

    pub(super) fn stop_requested(&self) -> bool {
        self.stop_requested.load(Relaxed)
    }

    pub(super) fn take_token(&self) -> bool {
        // The plain load spares the common case of a polling wait the locked instruction.
        self.token.load(Relaxed) && self.token.xchg(false, Acquire)
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.load(Relaxed)
    }

    /// Leaves a token and wakes the task, unless that would be its first wake-up.
    pub(super) fn wake(&self) {
        self.token.store(true, Release);
        self.wake_started();
    }

    /// Asks the closure to return, without waiting for it.
    pub(super) fn request_stop(&self) {
        self.stop_requested.store(true, Relaxed);
        self.wake_started();
    }

    fn wake_started(&self) {
        // `wake_up_process()` is a full barrier before it looks at the state of the task, and the
        // waits of `Context` have one between setting that state and looking at the flags.
        if self.state.load(Relaxed) != State::New {
            self.task().wake_up();
        }
    }

    /// First wake-up. Does nothing if the group has reaped the thread already.
    pub(super) fn start(&self) {
        let control = self.control.lock();

        if !control.reaped {
            self.state.store(State::Started, Relaxed);
            self.task().wake_up();
        }
    }

    /// Waits until the entry function runs. The thread has been started.
    pub(super) fn wait_entered(&self) {
        self.entered.wait();
    }

    /// Waits until the closure has returned, or never will.
    pub(super) fn wait_done(&self) {
        // A body that oopsed completes nothing, so look at the task now and then.
        while !self.done.wait_timeout(kernel::time::msecs_to_jiffies(1000)) {
            if self.is_exiting() {
                break;
            }
        }
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Release);
    }
}

/// Closure and value of a thread, seen without their types.
pub(super) trait Member: Send + Sync {
    fn core(&self) -> &Core;

    /// Drops the closure, or the value, if it is still there.
    ///
    /// # Safety
    ///
    /// The task must be gone, and nobody else may take or drop the contents.
    unsafe fn drop_contents(&self);
}

/// A [`Member`] whose closure returns `T`.
pub(super) trait Returns<T>: Member {
    /// Takes the value that the closure returned.
    ///
    /// # Safety
    ///
    /// The task must be gone, and nobody else may take or drop the contents.
    unsafe fn take_value(&self) -> Option<T>;

    fn into_member(self: Arc<Self>) -> Arc<dyn Member>;
}

/// Everything that a thread shares with its handle and its group, in one allocation.
///
/// # Invariants
///
/// - Until the task has entered, `closure` belongs to nobody; from then on until it is gone,
///   `closure` and `value` belong to the task; after that to whoever reaped it or, unless the
///   handle is abandoned, to the holder of the handle.
#[pin_data]
pub(super) struct Packet<F, T> {
    #[pin]
    core: Core,
    closure: UnsafeCell<Option<F>>,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: `Core` is `Send`, and so are closure and value, by the bounds.
unsafe impl<F: Send, T: Send> Send for Packet<F, T> {}

// SAFETY: `Core` is `Sync`. Closure and value are only ever accessed by the one party that the type
// invariants name, so that it suffices that they can be sent to that party.
unsafe impl<F: Send, T: Send> Sync for Packet<F, T> {}

impl<F, T> Packet<F, T>
where
    F: FnOnce(&Context<'_>) -> T + Send,
    T: Send,
{
    fn new(members: Arc<Members>, freezable: bool, closure: F) -> impl PinInit<Self> {
        // INVARIANT: There is no task yet.
        pin_init!(Self {
            core <- Core::new(members, freezable),
            closure: UnsafeCell::new(Some(closure)),
            value: UnsafeCell::new(None),
        })
    }
}

impl<F: Send, T: Send> Member for Packet<F, T> {
    fn core(&self) -> &Core {
        &self.core
    }

    unsafe fn drop_contents(&self) {
        // SAFETY: By the requirements of this function nobody else accesses `closure`.
        drop(unsafe { (*self.closure.get()).take() });
        // SAFETY: Likewise for `value`.
        drop(unsafe { (*self.value.get()).take() });
    }
}

impl<F, T> Returns<T> for Packet<F, T>
where
    F: Send + 'static,
    T: Send + 'static,
{
    unsafe fn take_value(&self) -> Option<T> {
        // SAFETY: By the requirements of this function nobody else accesses `value`.
        unsafe { (*self.value.get()).take() }
    }

    fn into_member(self: Arc<Self>) -> Arc<dyn Member> {
        self
    }
}

/// Asks kthreadd for a task that will run `closure`.
///
/// On failure `closure` has been dropped, and nothing is left behind.
pub(super) fn create<F, T>(
    members: &Arc<Members>,
    name: &CStr,
    node: c_int,
    freezable: bool,
    closure: F,
) -> Result<Arc<dyn Returns<T>>>
where
    F: FnOnce(&Context<'_>) -> T + Send + 'static,
    T: Send + 'static,
{
    might_sleep();

    let packet = Arc::pin_init(Packet::new(members.clone(), freezable, closure), GFP_KERNEL)?;

    // INVARIANT: The table holds the packet before there is a task.
    members.insert(packet.clone())?;
    let undo = ScopeGuard::new(|| members.remove(packet.core()));

    // SAFETY:
    // - `entry` is instantiated for the type that `data` points to, and `data` stays valid until
    //   `kthread_stop()` has returned, because the table of members holds it until then.
    // - The format expects one C string, and `name` is one that outlives the call.
    let task = kernel::error::from_err_ptr(unsafe {
        bindings::kthread_create_on_node(
            Some(entry::<F, T>),
            Arc::as_ptr(&packet).cast_mut().cast(),
            node,
            c"%s".as_char_ptr(),
            name.as_char_ptr(),
        )
    })?;

    // SAFETY: The task was created just now, and can not exit before it is woken or stopped, which
    // nobody but the caller of this function can do. So it is alive.
    let task = ARef::from(unsafe { &*task.cast::<Task>() });
    // INVARIANT: Nobody but this function knows the packet yet.
    packet.core.task.populate(task);

    undo.dismiss();
    Ok(packet)
}

/// What the task runs.
///
/// # Safety
///
/// Must only be run by a task that [`create`] made, with the pointer that it passed.
unsafe extern "C" fn entry<F, T>(data: *mut c_void) -> c_int
where
    F: FnOnce(&Context<'_>) -> T + Send,
    T: Send,
{
    // SAFETY: By the requirements of this function `data` points to a packet of this type, which by
    // the invariants of `Core` stays in the table of members until this task is gone.
    let packet = unsafe { &*data.cast::<Packet<F, T>>() };
    let core = &packet.core;

    core.state.store(State::Entered, Relaxed);
    // SAFETY: By the type invariants of `Packet`, `closure` belongs to this task from here on.
    let closure = unsafe { (*packet.closure.get()).take() };
    core.entered.complete_all();
    if core.freezable {
        set_freezable();
    }

    // SAFETY: This is the task of `core`, and the context does not leave this function.
    let context = unsafe { Context::new(core) };
    if let Some(closure) = closure {
        let value = closure(&context);

        // SAFETY: By the type invariants of `Packet`, `value` belongs to this task.
        unsafe { *packet.value.get() = Some(value) };
        core.state.store(State::Done, Release);
    }
    core.done.complete_all();

    context.linger();
    0
}

/// Lets the freezer freeze the current thread, which it does not do to kernel threads otherwise.
fn set_freezable() {
    #[cfg(CONFIG_FREEZER)]
    {
        extern "C" {
            /// Declared in [`include/linux/freezer.h`](srctree/include/linux/freezer.h), which the
            /// bindings do not cover.
            fn set_freezable() -> bool;
        }

        // SAFETY: The function changes the flags of the current task, and may sleep.
        unsafe { set_freezable() };
    }
}

/// Stops the thread, waits until its task is gone, and lets go of it.
///
/// A thread that was started has then run its closure, unless it died. Whoever comes second waits
/// for the first and finds nothing left to do. The caller must not be the thread itself.
pub(super) fn reap(member: &dyn Member) {
    might_sleep();

    let core = member.core();
    let mut control = core.control.lock();
    if control.reaped {
        return;
    }

    let started = core.state.load(Relaxed) != State::New;
    if started {
        // `kthread()` skips the thread function if it finds the thread to be stopped already.
        core.entered.wait();
    }

    // SAFETY: `core` holds a reference to the task. By the invariants of `Core` this is the only
    // call of `kthread_stop()`, and nobody parks the thread meanwhile, because `control` is locked.
    unsafe { bindings::kthread_stop(core.task().as_ptr()) };
    control.reaped = true;
    drop(control);

    // Neither will come from a thread that never ran or that died.
    core.entered.complete_all();
    core.done.complete_all();

    if !started || core.abandoned.load(Acquire) {
        // SAFETY: The task is gone. The holder of the handle only takes the value of a thread that
        // it has not abandoned, and there is none in a thread that never ran.
        unsafe { member.drop_contents() };
    }
    core.members.remove(core);
}
