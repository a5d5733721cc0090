// SPDX-License-Identifier: GPL-2.0

//! What a thread and those who handle it share, and the function that the task runs.

use super::{
    completion::Completion,
    context::Context,
    group::{
        Entry,
        Members,
        Place, //
    }, //
};
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop, //
};
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
    time::Jiffies,
    types::ScopeGuard, //
};

/// After how many jiffies those who wait for a thread look whether it has died.
// CAST: The number of ticks in a second is small.
const ONE_SECOND: Jiffies = bindings::HZ as Jiffies;

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

/// A flag that threads look at often.
///
/// [`Atomic::load`] is a call where the compiler can not inline the helpers for functions of C, and a
/// read of a flag need not be more than that.
pub(super) struct Flag(Atomic<bool>);

impl Flag {
    fn new() -> Self {
        Self(Atomic::new(false))
    }

    /// Reads the flag, as `READ_ONCE()` of C does.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        // SAFETY: The pointer is valid. A volatile read of a byte does not race with atomic accesses.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// Writes the flag, as `WRITE_ONCE()` of C does.
    #[inline]
    pub(super) fn put(&self, value: bool) {
        // SAFETY: The pointer is valid. A volatile write of a byte does not race with atomic accesses.
        unsafe { self.0.as_ptr().write_volatile(value) }
    }

    /// Sets the flag, with a full memory barrier.
    #[inline]
    fn raise(&self) {
        self.0.xchg(true, Full);
    }

    /// Sets the flag. Whoever finds it set sees what was done before.
    #[inline]
    fn publish(&self) {
        self.0.store(true, Release);
    }

    /// Clears the flag, and tells whether it was set. What was done before it was set has happened.
    #[inline]
    fn take(&self) -> bool {
        self.is_set() && self.0.xchg(false, Acquire)
    }
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
/// - `task` is set before any handle, waker or context can reach this `Core`, and never again.
/// - If there are `members`, these hold the packet of this `Core` from before the task exists until
///   `kthread_stop()` on the task has returned.
/// - `kthread_stop()` is called on the task only by [`reap`], with `control` locked, and only once.
#[pin_data]
pub(super) struct Core {
    pub(super) state: Atomic<State>,
    /// The closure is to return. Set before `kthread_stop()` is called.
    stop_requested: Flag,
    /// A wake-up that no wait has consumed yet.
    token: Flag,
    /// Nobody will park the thread any more, so that it need not linger. Set with `control` locked, or
    /// by the holder of the handle, who is giving it up.
    pub(super) dismissed: Flag,
    /// Nobody is left to take the value: whoever reaps the thread drops it.
    abandoned: Atomic<bool>,
    /// `kthread_park()` is about to be called, or has been, and `kthread_unpark()` has not been
    /// since. Only the holder of the handle changes it.
    pub(super) parked: Flag,
    pub(super) freezable: bool,
    task: UnsafeCell<Option<ARef<Task>>>,
    members: Option<Arc<Members>>,
    place: Place,
    #[pin]
    entered: Completion,
    #[pin]
    done: Completion,
    #[pin]
    pub(super) control: Mutex<Control>,
}

// SAFETY: `task` does not change from when others than its creator can reach the `Core`, by the type
// invariants, and all else is `Sync`.
unsafe impl Sync for Core {}

impl Core {
    pub(super) fn new(members: Option<Arc<Members>>, freezable: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            state: Atomic::new(State::New),
            stop_requested: Flag::new(),
            token: Flag::new(),
            dismissed: Flag::new(),
            abandoned: Atomic::new(false),
            parked: Flag::new(),
            freezable,
            task: UnsafeCell::new(None),
            members,
            place: Place::new(),
            entered <- Completion::new(),
            done <- Completion::new(),
            control <- new_mutex!(Control { reaped: false }),
        })
    }

    #[inline]
    pub(super) fn task(&self) -> &Task {
        // SAFETY: By the type invariants `task` is there before anybody gets here, and does not change.
        unsafe { (*self.task.get()).as_ref().unwrap_unchecked() }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
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

    /// Tells whether the closure has returned, or never will.
    pub(super) fn is_finished(&self) -> bool {
        self.state.load(Acquire) == State::Done || self.is_exiting()
    }

    #[inline]
    pub(super) fn stop_requested(&self) -> bool {
        self.stop_requested.is_set()
    }

    #[inline]
    pub(super) fn take_token(&self) -> bool {
        self.token.take()
    }

    /// Returns how far the thread has come, or had a moment ago.
    ///
    /// A plain read, for the reason that [`Flag`] has.
    #[inline]
    fn last_state(&self) -> State {
        // SAFETY: The pointer is valid. A volatile read of a word does not race with atomic accesses,
        // and only a `State` is ever stored.
        unsafe { self.state.as_ptr().read_volatile() }
    }

    /// Leaves a token and wakes the task, unless that would be its first wake-up.
    #[inline]
    pub(super) fn wake(&self) {
        if self.last_state() == State::New {
            self.token.raise();
            self.wake_started();
        } else {
            // It stays started, and `wake_up_process()` has the barrier.
            self.token.publish();
            self.task().wake_up();
        }
    }

    /// Like [`Core::request_stop`], of a thread that is about to be reaped.
    ///
    /// It exits once its closure has returned, unless someone is about to park it.
    pub(super) fn dismiss(&self) {
        if let Some(_control) = self.control.try_lock() {
            self.dismissed.put(true);
        }
        self.request_stop();
    }

    /// Asks the closure to return, without waiting for it.
    pub(super) fn request_stop(&self) {
        self.stop_requested.raise();
        self.wake_started();
    }

    /// Wakes the task unless it is new. The caller has raised a flag.
    #[inline]
    fn wake_started(&self) {
        // The barrier of the flag pairs with those of `wake_up_process()` in `start`: either `state`
        // is seen to have changed here, or the thread that starts there sees the flag.
        //
        // `wake_up_process()` is a full barrier before it looks at the state of the task, and the
        // waits of `Context` have one between setting that state and looking at the flags.
        if self.last_state() != State::New {
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

    /// Asks kthreadd for the task, which will run `entry` with `data`.
    ///
    /// Sleeps.
    ///
    /// # Safety
    ///
    /// - There is no task yet, and nobody but the caller uses this `Core`.
    /// - `entry` may be called with `data` until the task is gone.
    pub(super) unsafe fn fork(
        &self,
        entry: unsafe extern "C" fn(*mut c_void) -> c_int,
        data: *const c_void,
        name: &CStr,
        node: c_int,
    ) -> Result {
        might_sleep();

        // SAFETY: By the requirements of this function `entry` may be called with `data`. The format
        // expects one C string, and `name` is one that outlives the call.
        let task = kernel::error::from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(entry),
                data.cast_mut(),
                node,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;

        // SAFETY: The task was created just now, and can not exit before it is woken or stopped,
        // which nobody but the caller can do. So it is alive.
        let task = ARef::from(unsafe { &*task.cast::<Task>() });
        // INVARIANT: Nobody but the caller uses this `Core` yet.
        // SAFETY: As above, nobody reads `task`.
        unsafe { *self.task.get() = Some(task) };
        Ok(())
    }

    /// Begins the entry function, once what it runs has been taken.
    pub(super) fn enter(&self) {
        self.state.store(State::Entered, Relaxed);
        self.entered.complete_all();
        if self.freezable {
            set_freezable();
        }
    }

    /// Tells that the closure has returned and that its value is stored.
    pub(super) fn finish(&self) {
        self.state.store(State::Done, Release);
        self.done.complete_all();
    }

    /// Waits until the entry function runs. The thread has been started.
    pub(super) fn wait_entered(&self) {
        // Most threads have done so long ago.
        if self.last_state() < State::Entered {
            self.entered.wait();
        }
    }

    /// Waits for something that the thread completes unless it dies, and tells whether it came.
    pub(super) fn wait_for(&self, done: &Completion) -> bool {
        // A body that oopsed completes nothing, so look at the task now and then.
        while !done.wait_timeout(ONE_SECOND) {
            if self.is_exiting() {
                return false;
            }
        }
        true
    }

    /// Waits until the closure has returned, or never will.
    pub(super) fn wait_done(&self) {
        self.wait_for(&self.done);
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Release);
    }
}

/// What a thread runs and leaves behind, seen without its types.
pub(super) trait Member: Send + Sync {
    fn core(&self) -> &Core;

    /// Brings a thread that can not be stopped at any time into a state in which it can.
    ///
    /// Called before `kthread_stop()`, after the thread has entered, and not by the thread itself.
    fn quiesce(&self) {}

    /// Cleans up what only the thread used.
    ///
    /// # Safety
    ///
    /// The task must be gone, and this must be called once.
    unsafe fn reaped(&self) {}

    /// Drops what a thread that never ran would have run.
    ///
    /// # Safety
    ///
    /// The task must be gone, and nobody else may take or drop this.
    unsafe fn drop_closure(&self);

    /// Drops what the thread has left behind and nobody has taken.
    ///
    /// # Safety
    ///
    /// The task must be gone, and nobody else may take or drop this.
    unsafe fn drop_value(&self);
}

impl<M: Member> Entry for M {
    fn place(&self) -> &Place {
        &self.core().place
    }

    fn is_current(&self) -> bool {
        self.core().is_current()
    }

    fn request_stop(&self) {
        self.core().dismiss();
    }

    fn reap(&self) {
        reap(self);
    }

    unsafe fn drop_contents(&self) {
        // SAFETY: By the requirements of this function.
        unsafe { self.drop_closure() };
        // SAFETY: By the requirements of this function.
        unsafe { self.drop_value() };
    }
}

/// A [`Member`] whose closure returns `T`.
pub(super) trait Returns<T>: Member {
    /// Takes the value that the closure returned.
    ///
    /// # Safety
    ///
    /// The task must be gone, and nobody else may take or drop the value.
    unsafe fn take_value(&self) -> Option<T>;

    fn into_member(self: Arc<Self>) -> Arc<dyn Member>;
}

/// Everything that a thread shares with its handle and its group, in one allocation.
///
/// # Invariants
///
/// - Until the task has entered, `closure` and `value` belong to nobody, and from then on to the
///   task until it is gone. After that, `closure` belongs to whoever reaped the task, and `value` to
///   the holder of the handle, or if that has abandoned it, to whoever reaped the task.
/// - When something that `F` or `T` borrows ends, the task is gone, and both cells are empty.
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

impl<F, T> Packet<F, T> {
    fn new(members: Option<Arc<Members>>, freezable: bool, closure: F) -> impl PinInit<Self> {
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

    unsafe fn drop_closure(&self) {
        // SAFETY: By the requirements of this function nobody else accesses `closure`.
        drop(unsafe { (*self.closure.get()).take() });
    }

    unsafe fn drop_value(&self) {
        // SAFETY: By the requirements of this function nobody else accesses `value`.
        drop(unsafe { (*self.value.get()).take() });
    }
}

impl<F: Send, T: Send> Returns<T> for Packet<F, T> {
    unsafe fn take_value(&self) -> Option<T> {
        // SAFETY: By the requirements of this function nobody else accesses `value`.
        unsafe { (*self.value.get()).take() }
    }

    fn into_member(self: Arc<Self>) -> Arc<dyn Member> {
        let member: Arc<dyn Member + '_> = self;

        // SAFETY: The types differ in a lifetime only. By the type invariants the packet holds
        // nothing that borrows once something that it borrowed has ended.
        unsafe { core::mem::transmute::<Arc<dyn Member + '_>, Arc<dyn Member>>(member) }
    }
}

/// Creates a thread that will run `closure` and is a member of `members`.
///
/// On failure `closure` has been dropped, and nothing is left behind.
///
/// # Safety
///
/// If `F` or `T` borrow something, then before that ends the thread must have been reaped, and its
/// closure and value must have been taken or dropped.
pub(super) unsafe fn create<F, T>(
    members: &Arc<Members>,
    name: &CStr,
    node: c_int,
    freezable: bool,
    closure: F,
) -> Result<Arc<dyn Returns<T>>>
where
    F: FnOnce(&Context<'_>) -> T + Send,
    T: Send,
{
    // INVARIANT: By the requirements of this function nothing is borrowed for too short.
    let packet = Arc::pin_init(
        Packet::new(Some(members.clone()), freezable, closure),
        GFP_KERNEL,
    )?;
    let data = Arc::as_ptr(&packet);
    let as_entry: Arc<dyn Entry + '_> = packet.clone();

    // INVARIANT: The table holds the packet before there is a task.
    members.insert(
        // SAFETY: The types differ in a lifetime only. By the type invariants the packet holds
        // nothing that borrows once something that it borrowed has ended.
        unsafe { core::mem::transmute::<Arc<dyn Entry + '_>, Arc<dyn Entry>>(as_entry) },
    )?;
    let undo = ScopeGuard::new(|| members.remove(&packet.core.place));

    // SAFETY: `entry` is instantiated for the type that `data` points to, and `data` stays valid
    // until `kthread_stop()` has returned, because the table of members holds it until then.
    unsafe { packet.core.fork(entry::<F, T>, data.cast(), name, node)? };
    undo.dismiss();

    let packet: Arc<dyn Returns<T> + '_> = packet;
    // SAFETY: As above.
    Ok(unsafe { core::mem::transmute::<Arc<dyn Returns<T> + '_>, Arc<dyn Returns<T>>>(packet) })
}

/// What the task of a member of a group or a scope runs.
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

    // SAFETY: By the type invariants of `Packet`, `closure` belongs to this task from here on.
    let closure = unsafe { (*packet.closure.get()).take() };
    core.enter();

    // SAFETY: This is the task of `core`, and the context does not leave this function.
    let context = unsafe { Context::new(core) };
    if let Some(closure) = closure {
        let value = closure(&context);

        // SAFETY: By the type invariants of `Packet`, `value` belongs to this task.
        unsafe { *packet.value.get() = Some(value) };
    }
    core.finish();

    context.linger();
    0
}

/// A reference to a module, which keeps it from being unloaded.
///
/// # Invariants
///
/// The pointer is null, for code that is built into the kernel, or a module of which a reference is
/// held.
pub(super) struct ModuleRef(*mut bindings::module);

// SAFETY: References to a module are counted, whoever takes or puts them.
unsafe impl Send for ModuleRef {}

impl ModuleRef {
    /// Takes a reference, which fails with [`EBUSY`] while the module is being loaded, and with
    /// [`ENOENT`] when it is being unloaded.
    pub(super) fn get(module: &'static ThisModule) -> Result<Self> {
        let module = module.as_ptr();

        if !module.is_null() {
            // SAFETY: The code of a module that runs keeps the structure of the module. The state
            // may change under the read, as it may for C's own readers.
            let state = unsafe { (&raw const (*module).state).read_volatile() };

            // A module whose init fails is freed, whoever holds references: see `do_init_module()`.
            if state == bindings::module_state_MODULE_STATE_COMING {
                return Err(EBUSY);
            }
        }
        // SAFETY: `module` is null or a module, as above.
        if !unsafe { bindings::try_module_get(module) } {
            return Err(ENOENT);
        }
        // INVARIANT: A reference has just been taken.
        Ok(Self(module))
    }

    fn into_raw(self) -> *mut bindings::module {
        let module = self.0;

        core::mem::forget(self);
        module
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariants there is a reference to put.
        unsafe { bindings::module_put(self.0) };
    }
}

/// A thread that nobody will stop or join, before it is started.
///
/// # Invariants
///
/// The task has never been woken, and a reference to `packet` waits for it.
pub(super) struct Detached<F: Send> {
    packet: Arc<Packet<(F, ModuleRef), ()>>,
}

impl<F: Send> Detached<F> {
    pub(super) fn task(&self) -> &Task {
        self.packet.core.task()
    }
}

impl<F> Detached<F>
where
    F: FnOnce(&Context<'_>) + Send + 'static,
{
    /// Creates a thread that will run `closure` and keeps `module` until that has returned.
    ///
    /// On failure `closure` has been dropped, and nothing is left behind.
    pub(super) fn create(
        module: ModuleRef,
        name: &CStr,
        node: c_int,
        freezable: bool,
        closure: F,
    ) -> Result<Self> {
        let packet = Arc::pin_init(Packet::new(None, freezable, (closure, module)), GFP_KERNEL)?;
        let data = Arc::into_raw(packet.clone());

        // SAFETY: `detached_entry` is instantiated for the type that `data` points to, and is given
        // the reference that keeps it valid.
        match unsafe {
            packet
                .core
                .fork(detached_entry::<F>, data.cast(), name, node)
        } {
            // INVARIANT: The task has just been created, and `data` is what waits for it.
            Ok(()) => Ok(Self { packet }),
            Err(error) => {
                // SAFETY: There is no task that the reference was given to.
                drop(unsafe { Arc::from_raw(data) });
                Err(error)
            }
        }
    }

    /// Wakes the thread for the first time, and gives up control of it.
    pub(super) fn start(self) -> Arc<dyn Member> {
        // The thread ends by itself from here on.
        let this = ManuallyDrop::new(self);

        // SAFETY: `this` is not used again, nor dropped.
        let packet = unsafe { core::ptr::read(&raw const this.packet) };
        packet.core.start();
        packet
    }
}

impl<F: Send> Drop for Detached<F> {
    /// Ends a thread that has not been started.
    fn drop(&mut self) {
        // SAFETY: `packet` holds a reference to the task, which has never been woken, so that nobody
        // has stopped it.
        unsafe { bindings::kthread_stop(self.task().as_ptr()) };
        // SAFETY: The task is gone without having run `detached_entry`, to which this reference from
        // `Arc::into_raw()` was given.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.packet)) });
    }
}

/// What the task of a detached thread runs.
///
/// # Safety
///
/// Must only be run by a task that [`Detached::create`] made, with the pointer that it passed.
unsafe extern "C" fn detached_entry<F>(data: *mut c_void) -> c_int
where
    F: FnOnce(&Context<'_>) + Send + 'static,
{
    let module = {
        // SAFETY: By the requirements of this function `data` comes from `Arc::into_raw()`, and the
        // reference is this function's.
        let packet = unsafe { Arc::from_raw(data.cast::<Packet<(F, ModuleRef), ()>>()) };
        let core = &packet.core;

        // SAFETY: By the type invariants of `Packet`, `closure` belongs to this task from here on.
        let Some((closure, module)) = (unsafe { (*packet.closure.get()).take() }) else {
            return 0;
        };
        core.enter();
        // SAFETY: This is the task of `core`, and the context does not leave this block.
        closure(&unsafe { Context::new(core) });
        core.finish();
        module.into_raw()
    };

    // SAFETY: All values of this function are gone, so that nothing is leaked by not returning. The
    // reference to the module, if it is one, was given up above, and code of the module does not run
    // in this thread any more once it has been put.
    unsafe { bindings::__module_put_and_kthread_exit(module, 0) }
}

/// Keeps the freezer from the current thread, as it is with kernel threads unless they ask for it.
pub(super) fn set_nofreeze() {
    // SAFETY: The current task is alive, and its flags are written by itself alone.
    unsafe { (*Task::current_raw()).flags |= bindings::PF_NOFREEZE };
}

/// Lets the freezer freeze the current thread, which it does not do to kernel threads otherwise.
///
/// Sleeps in the refrigerator if tasks are being frozen.
pub(super) fn set_freezable() {
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
/// until the task is gone, and leaves the rest to the first. The caller must not be the thread
/// itself.
pub(super) fn reap<M: Member + ?Sized>(member: &M) {
    might_sleep();

    let core = member.core();
    let mut control = core.control.lock();
    if control.reaped {
        return;
    }

    core.stop_requested.raise();
    core.dismissed.put(true);
    let started = core.state.load(Relaxed) != State::New;
    if started {
        // `kthread()` skips the thread function if it finds the thread to be stopped already.
        core.wait_entered();
        member.quiesce();
    }

    // SAFETY: `core` holds a reference to the task. By the invariants of `Core` this is the only
    // call of `kthread_stop()`, and nobody parks the thread meanwhile, because `control` is locked.
    unsafe { bindings::kthread_stop(core.task().as_ptr()) };
    control.reaped = true;
    drop(control);

    if core.last_state() != State::Done {
        // Neither will come from a thread that never ran or that died.
        core.entered.complete_all();
        core.done.complete_all();
    }

    // SAFETY: The task is gone, and whoever comes second does not get here.
    unsafe { member.reaped() };
    if !started {
        // SAFETY: The task is gone and has not taken the closure, which belongs to whoever reaps it.
        unsafe { member.drop_closure() };
    }
    if core.abandoned.load(Acquire) {
        // SAFETY: The task is gone, and the holder of the handle does not take the value of a thread
        // that it has abandoned.
        unsafe { member.drop_value() };
    }
    if let Some(members) = &core.members {
        members.remove(&core.place);
    }
}
