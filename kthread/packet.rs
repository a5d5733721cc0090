// SPDX-License-Identifier: GPL-2.0

//! What a thread runs and leaves behind.

use super::{
    context::Context,
    core::{
        Core,
        Kind,
        Member,
        Options,
        State, //
    },
    hotplug,
    lockdep::Site,
    members::{
        Creation,
        Entry,
        Members,
        Place, //
    }, //
};
use core::{
    cell::UnsafeCell,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    }, //
};
use kernel::{
    bindings,
    cpu::CpuId,
    prelude::*,
    sync::Arc,
    task::might_sleep,
    types::ScopeGuard, //
};

impl<M: Member> Entry for M {
    fn place(&self) -> &Place {
        self.core().place()
    }

    fn is_current(&self) -> bool {
        self.core().is_current()
    }

    fn request_stop(&self) {
        // Nobody waits for a thread that stops its own group: it leaves by itself.
        if !self.core().is_current() {
            self.core().claim();
        }
        Member::request_stop(self);
    }

    fn reap(&self) {
        reap(self);
    }

    fn has_exited(&self) -> bool {
        self.core().exit().has_come()
    }

    fn wait_exit(&self) {
        self.core().exit().wait();
    }

    unsafe fn drop_contents(&self) {
        if self.core().abandon() {
            // SAFETY: A value has been stored, and by the requirements of this function nobody has
            // a handle to take it by.
            unsafe { self.drop_value() };
        }
    }
}

/// A [`Member`] whose closure returns `T`.
pub(super) trait Returns<T>: Member {
    /// Takes the value that the closure returned.
    ///
    /// # Safety
    ///
    /// There must be one, and nobody else may take or drop it.
    unsafe fn take_value(&self) -> T;

    /// Upcasts, as Rust does by itself from 1.86 on.
    fn into_member(self: Arc<Self>) -> Arc<dyn Member>;
}

/// Everything that a thread shares with its handle and its group, in one allocation.
///
/// # Invariants
///
/// - `closure` is initialised until the task has entered, or if it never does, until it is reaped.
/// - `value` is initialised from before `core` says that it is stored until it is taken.
/// - Both are accessed by whom the states of `core` name alone: see `core.rs`.
/// - When something that `F` or `T` borrows ends, the task has exited, and neither is initialised.
#[pin_data]
#[repr(C)]
pub(super) struct Packet<F, T> {
    // The first field, so that a pointer to it is one to this.
    #[pin]
    pub(super) core: Core,
    closure: UnsafeCell<MaybeUninit<F>>,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `Core` is `Send`, and so are closure and value, by the bounds.
unsafe impl<F: Send, T: Send> Send for Packet<F, T> {}

// SAFETY: `Core` is `Sync`. Closure and value are only ever accessed by one party at a time, by the
// type invariants, so that it suffices that they can be sent to that party.
unsafe impl<F: Send, T: Send> Sync for Packet<F, T> {}

impl<F, T> Packet<F, T> {
    /// # Safety
    ///
    /// `core` must be one whose task may be given a pointer to this.
    pub(super) unsafe fn new(core: impl PinInit<Core>, closure: F) -> impl PinInit<Self> {
        // INVARIANT: There is no task yet.
        pin_init!(Self {
            core <- core,
            closure: UnsafeCell::new(MaybeUninit::new(closure)),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        })
    }

    /// Moves the closure out.
    ///
    /// # Safety
    ///
    /// By the type invariants, it must be initialised and be the caller's. This may be done once.
    #[inline(always)]
    pub(super) unsafe fn take_closure(&self) -> F {
        // SAFETY: By the requirements of this function.
        unsafe { (*self.closure.get()).assume_init_read() }
    }

    /// Stores the value.
    ///
    /// # Safety
    ///
    /// By the type invariants, `value` must be uninitialised and be the caller's.
    pub(super) unsafe fn put_value(&self, value: T) {
        // ORDERING: proofs/litmus/value.litmus
        // SAFETY: By the requirements of this function.
        unsafe { (*self.value.get()).write(value) };
    }
}

impl<F: Send, T: Send> Member for Packet<F, T> {
    fn core(&self) -> &Core {
        &self.core
    }

    unsafe fn drop_closure(&self) {
        // SAFETY: By the requirements of this function the task has not taken the closure, and
        // nobody else does.
        unsafe { (*self.closure.get()).assume_init_drop() };
    }

    unsafe fn drop_value(&self) {
        // SAFETY: By the requirements of this function.
        unsafe { (*self.value.get()).assume_init_drop() };
    }
}

impl<F: Send, T: Send> Returns<T> for Packet<F, T> {
    unsafe fn take_value(&self) -> T {
        // ORDERING: proofs/litmus/value.litmus
        // SAFETY: By the requirements of this function.
        unsafe { (*self.value.get()).assume_init_read() }
    }

    fn into_member(self: Arc<Self>) -> Arc<dyn Member> {
        let member: Arc<dyn Member + '_> = self;

        // SAFETY: The types differ in a lifetime only. By the type invariants the packet holds
        // nothing that borrows once something that it borrowed has ended.
        unsafe { core::mem::transmute::<Arc<dyn Member + '_>, Arc<dyn Member>>(member) }
    }
}

/// Where and under what name a task is to be made.
pub(super) struct Birth<'a> {
    pub(super) name: &'a CStr,
    pub(super) node: c_int,
    /// With this, `name` is a format that stands for itself. See [`Core::fork`].
    pub(super) cpu: Option<CpuId>,
    pub(super) options: Options,
    pub(super) site: Site,
}

impl Birth<'_> {
    /// Keeps CPUs from coming and going if the task is to be bound to one, until it has been
    /// forked.
    ///
    /// A CPU that is going offline is still in the mask, but no place to run any more. Whoever
    /// waits for what is being created may be waited for by CPU hotplug: so this comes first.
    pub(super) fn keep_cpus(&self) -> Result<Option<impl Drop>> {
        self.cpu.map(|_| hotplug::lock()).transpose()
    }

    /// Asks kthreadd for the task of `core`.
    ///
    /// # Safety
    ///
    /// That of [`Core::fork`], so that [`Birth::keep_cpus`] must be in force.
    pub(super) unsafe fn fork(&self, core: &Core) -> Result {
        // SAFETY: By the requirements of this function.
        unsafe { core.fork(self.name, self.node, self.cpu) }
    }
}

/// Creates a thread that will run `closure` and is a member of `members`. Nobody stops it before
/// the `Creation` is dropped.
///
/// On failure `closure` has been dropped, and nothing is left behind.
///
/// # Safety
///
/// If `F` or `T` borrow something, then before that ends the thread must have been reaped, and its
/// closure and value must have been taken or dropped.
pub(super) unsafe fn create<'a, F, T>(
    members: &'a Arc<Members>,
    birth: &Birth<'_>,
    closure: F,
) -> Result<(Creation<'a>, Arc<dyn Returns<T>>)>
where
    F: FnOnce(&Context<'_>) -> T + Send,
    T: Send,
{
    // SAFETY: `run` and `own` expect the `core` of such a packet.
    let core = unsafe {
        Core::new(
            Some(members.clone()),
            birth.options,
            birth.site,
            const {
                &Kind {
                    run: run::<F, T>,
                    own: own::<F, T>,
                }
            },
        )
    };
    // INVARIANT: By the requirements of this function nothing is borrowed for too short.
    //
    // SAFETY: As above.
    let packet = Arc::pin_init(unsafe { Packet::<F, T>::new(core, closure) }, GFP_KERNEL)?;
    let unused = ScopeGuard::new_with_data(packet, |packet| {
        // SAFETY: There is no task.
        unsafe { packet.drop_closure() }
    });
    let as_entry: Arc<dyn Entry + '_> = unused.clone();

    // If this fails the closure is dropped last, as it may do anything.
    let hotplug = birth.keep_cpus()?;
    // INVARIANT: The table holds the packet before there is a task.
    let creation = members.insert(
        // SAFETY: The types differ in a lifetime only. By the type invariants the packet holds
        // nothing that borrows once something that it borrowed has ended.
        unsafe { core::mem::transmute::<Arc<dyn Entry + '_>, Arc<dyn Entry>>(as_entry) },
    )?;
    let undo = ScopeGuard::new(|| unused.core.remove());

    // SAFETY: The packet stays where it is, because the table of members holds it.
    unsafe { birth.fork(&unused.core)? };
    undo.dismiss();
    drop(hotplug);

    let packet: Arc<dyn Returns<T> + '_> = unused.dismiss();
    // SAFETY: As above.
    let packet =
        unsafe { core::mem::transmute::<Arc<dyn Returns<T> + '_>, Arc<dyn Returns<T>>>(packet) };
    Ok((creation, packet))
}

/// What a member of a group or a scope runs.
///
/// # Safety
///
/// Must only be called by a task that [`create`] made, with the pointer that it is given.
unsafe fn run<F, T>(core: *const Core) -> c_int
where
    F: FnOnce(&Context<'_>) -> T + Send,
    T: Send,
{
    // ORDERING: proofs/litmus/value.litmus
    // SAFETY: By the requirements of this function `core` is the first field of a packet of this
    // type, which by the invariants of `Core` stays in the table of members until this task has
    // exited.
    let packet = unsafe { &*core.cast::<Packet<F, T>>() };
    let core = &packet.core;

    core.enter();
    // SAFETY: This is the task of `core`, which uses no address space yet, and the context does not
    // leave this function.
    let context = unsafe { Context::new(core) };
    let held = core.map.hold();

    // The closure is not moved into a variable, as it may be large: it is on the stack once.
    //
    // SAFETY: By the type invariants of `Packet`, `closure` is this task's, once.
    let value = unsafe { (packet.take_closure())(&context) };
    // SAFETY: By the type invariants of `Packet`, `value` is this task's, and uninitialised.
    unsafe { packet.put_value(value) };
    if !core.hand_over() {
        // SAFETY: The value was stored just now, and nobody is left to take it.
        unsafe { packet.drop_value() };
    }
    core.done();
    context.finish();
    drop(held);
    core.leave();
    0
}

/// Returns a reference to the packet that `core` is part of.
///
/// # Safety
///
/// `core` must be the first field of such a packet, which is in an [`Arc`].
pub(super) unsafe fn own<F: Send, T: Send>(core: *const Core) -> Arc<dyn Member> {
    // SAFETY: By the requirements of this function. The reference that this stands for stays where
    // it is.
    let packet = ManuallyDrop::new(unsafe { Arc::from_raw(core.cast::<Packet<F, T>>()) });

    Arc::clone(&packet).into_member()
}

/// Stops the thread, waits until its task has exited, and lets go of it.
///
/// A thread that was started has then run its closure, unless it died. Whoever comes second waits
/// until the task has exited, and leaves it to the first to drop what is left. The caller must not
/// be the thread itself.
///
/// What this waits for has to be told to lockdep before, with no lock of this function's held.
pub(super) fn reap<M: Member + ?Sized>(member: &M) {
    // ORDERING: proofs/litmus/enter-stop.litmus
    // ORDERING: proofs/litmus/start-reap.litmus
    // ORDERING: proofs/litmus/stop-park.litmus
    // ORDERING: proofs/litmus/wakes-stop.litmus
    might_sleep();

    let core = member.core();
    core.map.wait();
    core.claim();
    // The rest of a request is what `kthread_stop()` does.
    core.raise_stop();
    core.unpark();

    let mut control = core.control.lock();
    if control.reaped {
        return;
    }
    let started = core.last_state() != State::New;
    if started {
        // `kthread()` skips the thread function if it finds the thread to be stopped already.
        core.wait_entered();
        member.quiesce();
        if core.is_being_parked() {
            // `kthread_stop()` would take back what somebody waits for.
            core.end_sleeps();
            core.exit().wait();
        } else {
            // It may have been parked since, and would wait for whoever did that to undo it.
            core.unpark();
        }
    }

    // SAFETY: `core` holds a reference to the task. By the invariants of `Core` this is the only
    // call of `kthread_stop()`. The thread is not parked meanwhile: it has been asked to stop, so
    // that nobody begins to.
    unsafe { bindings::kthread_stop(core.task().as_ptr()) };
    core.exit().open();
    control.reaped = true;
    drop(control);

    // SAFETY: The task has exited, and whoever comes second does not get here.
    unsafe { member.reaped() };
    if !started {
        core.never_entered();
        // SAFETY: The task has exited without having entered, and whoever comes second does not get
        // here.
        unsafe { member.drop_closure() };
    }
    core.remove();
}
