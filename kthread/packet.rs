// SPDX-License-Identifier: GPL-2.0

//! The closure that a thread runs, and the value that it leaves.
//!
//! Each type of closure has its own copy of what depends on the type. The functions that this calls
//! are `inline(never)`, so that the copies stay small.

use super::{
    context::Context,
    core::{
        Core,
        HasCore,
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
    },
    slice::from_ref, //
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
        // A thread that stops its own group is not waited for: it leaves by itself.
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
            // SAFETY: A value has been stored, and the caller guarantees that nobody uses a handle
            // to take it.
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
    fn as_member(&self) -> &dyn Member;

    /// Upcasts, as Rust does by itself from 1.86 on.
    fn into_member(self: Arc<Self>) -> Arc<dyn Member>;
}

/// The data that a thread shares with its handle and its group, in one allocation.
///
/// # Invariants
///
/// - `closure` is initialised until the task has entered, or until a task that never enters is
///   reaped.
/// - `value` is initialised from before `core` says that it is stored until it is taken.
/// - Both are only accessed by their owner according to the states of `core`: see `core.rs`.
/// - Before a borrow of `F` or `T` ends, the task has exited, and neither is initialised any more.
#[pin_data]
#[repr(C)]
pub(super) struct Packet<F, T> {
    // The first field, so a pointer to it is a pointer to this.
    #[pin]
    pub(super) core: Core,
    closure: UnsafeCell<MaybeUninit<F>>,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `Core` is `Send`, and the bounds make closure and value `Send`.
unsafe impl<F: Send, T: Send> Send for Packet<F, T> {}

// SAFETY: `Core` is `Sync`. By the type invariants closure and value are only accessed by one task
// at a time, so it suffices that they are `Send`.
unsafe impl<F: Send, T: Send> Sync for Packet<F, T> {}

impl<F, T> Packet<F, T> {
    /// # Safety
    ///
    /// `core` must expect that its task gets a pointer to this.
    pub(super) unsafe fn new(core: impl PinInit<Core>, closure: F) -> impl PinInit<Self> {
        // INVARIANT: There is no task yet.
        pin_init!(Self {
            core <- core,
            closure: UnsafeCell::new(MaybeUninit::new(closure)),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        })
    }

    /// Moves the closure out of the packet.
    ///
    /// # Safety
    ///
    /// By the type invariants, it must be initialised and be the caller's. This may be done once.
    #[inline(always)]
    pub(super) unsafe fn take_closure(&self) -> F {
        // SAFETY: The caller guarantees that `closure` is initialised, and owns it. It is moved
        // once.
        unsafe { (*self.closure.get()).assume_init_read() }
    }

    /// Stores the value.
    ///
    /// # Safety
    ///
    /// By the type invariants, `value` must be uninitialised and be the caller's.
    pub(super) unsafe fn put_value(&self, value: T) {
        // ORDERING: proofs/litmus/value.litmus
        // SAFETY: The caller guarantees that `value` is uninitialised, and owns it.
        unsafe { (*self.value.get()).write(value) };
    }
}

// SAFETY: `Packet` is `repr(C)`, and `core` is its first field.
unsafe impl<F: Send, T: Send> Member for Packet<F, T> {
    unsafe fn drop_closure(&self) {
        // SAFETY: The caller guarantees that the task has exited without taking the closure, and
        // that this is called once.
        unsafe { (*self.closure.get()).assume_init_drop() };
    }

    unsafe fn drop_value(&self) {
        // SAFETY: The caller guarantees that there is a value, and that nobody else takes or drops
        // it.
        unsafe { (*self.value.get()).assume_init_drop() };
    }
}

impl<F: Send, T: Send> Returns<T> for Packet<F, T> {
    unsafe fn take_value(&self) -> T {
        // ORDERING: proofs/litmus/value.litmus
        // SAFETY: The caller guarantees that there is a value, and that nobody else takes or drops
        // it.
        unsafe { (*self.value.get()).assume_init_read() }
    }

    fn as_member(&self) -> &dyn Member {
        self
    }

    fn into_member(self: Arc<Self>) -> Arc<dyn Member> {
        let member: Arc<dyn Member + '_> = self;

        // SAFETY: The types differ only in a lifetime. By the type invariants the packet holds no
        // borrowing value once a borrow has ended.
        unsafe { core::mem::transmute::<Arc<dyn Member + '_>, Arc<dyn Member>>(member) }
    }
}

/// Returns a format string that prints `name`, followed by `suffix`, a format that ends in a NUL.
pub(super) fn to_format(name: &CStr, suffix: &'static [u8]) -> Result<KVec<u8>> {
    let mut format = KVec::new();

    for byte in name.to_bytes() {
        let printed = match byte {
            b'%' => b"%%",
            byte => from_ref(byte),
        };

        format.extend_from_slice(printed, GFP_KERNEL)?;
    }
    format.extend_from_slice(suffix, GFP_KERNEL)?;
    Ok(format)
}

/// What a new task is created from: choices that have been checked.
///
/// # Invariants
///
/// If `name_is_format`, there is no `%` in `name`, so that it prints itself.
pub(super) struct Birth<'a> {
    pub(super) name: &'a CStr,
    pub(super) name_is_format: bool,
    pub(super) node: c_int,
    pub(super) cpu: Option<CpuId>,
    pub(super) options: &'a Options,
}

impl Birth<'_> {
    /// Excludes CPU hotplug until a task that is bound to a CPU has been forked.
    ///
    /// A CPU that is going offline is still in the mask, but nothing can run there any more. CPU
    /// hotplug may wait for a task that waits for a creation, so this comes first.
    fn keep_cpus(&self) -> Result<Option<impl Drop>> {
        self.cpu.map(|_| hotplug::lock()).transpose()
    }

    /// Asks kthreadd for the task of `core`.
    ///
    /// # Safety
    ///
    /// The requirements of [`Core::fork`] hold. The guard of [`Birth::keep_cpus`] must be alive.
    unsafe fn fork(&self, core: &Core) -> Result {
        let escaped;
        let format = match self.name_is_format {
            true => self.name,
            false => {
                escaped = to_format(self.name, b"\0")?;
                CStr::from_bytes_with_nul(&escaped).map_err(|_| EINVAL)?
            }
        };

        // SAFETY: The caller guarantees what `Core::fork` requires of it. By the type invariants a
        // name that is its own format holds no `%`, and in others each is escaped, so the format
        // takes no arguments.
        unsafe { core.fork(format, self.node, self.cpu) }
    }

    /// Creates the task of a thread that is no member of anything.
    ///
    /// # Safety
    ///
    /// The requirements of [`Core::fork`] hold.
    #[inline(never)]
    pub(super) unsafe fn create(&self, core: &Core) -> Result {
        let _hotplug = self.keep_cpus()?;

        // SAFETY: The caller guarantees what `Core::fork` requires.
        unsafe { self.fork(core) }
    }

    /// Makes `entry` one of `members`, and creates its task, which is that of `core`.
    ///
    /// Nobody stops it before the `Creation` is dropped.
    ///
    /// # Safety
    ///
    /// `core` must be part of `entry`, and the requirements of [`Core::fork`] hold as long as the
    /// table of members holds that.
    #[inline(never)]
    pub(super) unsafe fn create_member<'a>(
        &self,
        members: &'a Members,
        entry: Arc<dyn Entry>,
        core: &Core,
    ) -> Result<Creation<'a>> {
        let _hotplug = self.keep_cpus()?;
        // INVARIANT: The table holds the entry before there is a task.
        let creation = members.insert(entry)?;
        let undo = ScopeGuard::new(|| core.remove());

        // SAFETY: The table holds the entry, so the caller guarantees what `Core::fork` requires.
        unsafe { self.fork(core)? };
        undo.dismiss();
        Ok(creation)
    }
}

/// Creates a thread of `members` that will run `closure`.
///
/// Nobody stops it before the `Creation` is dropped.
///
/// On failure `closure` has been dropped, and nothing is left behind.
///
/// # Safety
///
/// Before a borrow of `F` or `T` ends, the thread must have been reaped, and its closure and value
/// must have been taken or dropped.
pub(super) unsafe fn create<'a, F, T>(
    members: &'a Arc<Members>,
    birth: &Birth<'_>,
    site: Site,
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
            *birth.options,
            site,
            const {
                &Kind {
                    run: run::<F, T>,
                    own: own::<F, T>,
                }
            },
        )
    };
    // INVARIANT: The caller guarantees that the packet is empty before a borrow ends.
    //
    // SAFETY: `run` and `own` expect the `core` of such a packet, as above.
    let packet = Arc::pin_init(unsafe { Packet::<F, T>::new(core, closure) }, GFP_KERNEL)?;
    let unused = ScopeGuard::new_with_data(packet, |packet| {
        // SAFETY: There is no task.
        unsafe { packet.drop_closure() }
    });
    let as_entry: Arc<dyn Entry + '_> = unused.clone();
    // SAFETY: The types differ only in a lifetime. By the type invariants the packet holds no
    // borrowing value once a borrow has ended.
    let as_entry = unsafe { core::mem::transmute::<Arc<dyn Entry + '_>, Arc<dyn Entry>>(as_entry) };

    // If this fails, the closure is dropped last, as its drop may do anything.
    //
    // SAFETY: `core` is part of the packet, which stays where it is while the table holds it.
    let creation = unsafe { birth.create_member(members, as_entry, &unused.core)? };
    let packet: Arc<dyn Returns<T> + '_> = unused.dismiss();
    // SAFETY: The caller guarantees what `NewThread` requires of the borrows.
    let packet =
        unsafe { core::mem::transmute::<Arc<dyn Returns<T> + '_>, Arc<dyn Returns<T>>>(packet) };
    Ok((creation, packet))
}

/// The thread function of a member of a group or a scope.
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
    // SAFETY: The caller guarantees that `core` is the first field of a packet of this type, which
    // by the invariants of `Core` stays in the table of members until this task has exited.
    let packet = unsafe { &*core.cast::<Packet<F, T>>() };
    let core = &packet.core;

    core.enter();
    // SAFETY: This is the task of `core`, which uses no address space yet, and the context does not
    // leave this function.
    let context = unsafe { Context::new(core) };
    let held = core.map.hold();

    // The closure may be large. It is not moved into a variable, so that it is on the stack only
    // once.
    //
    // SAFETY: By the type invariants of `Packet`, `closure` is this task's, once.
    let value = unsafe { (packet.take_closure())(&context) };
    // SAFETY: By the type invariants of `Packet`, `value` is this task's, and uninitialised.
    unsafe { packet.put_value(value) };
    if !core.hand_over() {
        // SAFETY: The value was just stored, and nobody is left to take it.
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
    // SAFETY: The caller guarantees that `core` is in an `Arc` of this type. The `ManuallyDrop`
    // leaves the count as it is.
    let packet = ManuallyDrop::new(unsafe { Arc::from_raw(core.cast::<Packet<F, T>>()) });

    Arc::clone(&packet).into_member()
}

/// Stops the thread, waits until its task has exited, and removes it.
///
/// A started thread has then run its closure, unless it died. A second caller waits until the task
/// has exited, and leaves dropping the rest to the first. The caller must not be the thread itself.
///
/// Lockdep has to be told of the wait before this function takes its lock.
pub(super) fn reap(member: &dyn Member) {
    // ORDERING: proofs/litmus/enter-stop.litmus
    // ORDERING: proofs/litmus/start-reap.litmus
    // ORDERING: proofs/litmus/stop-park.litmus
    // ORDERING: proofs/litmus/wakes-stop.litmus
    might_sleep();

    let core = member.core();
    core.map.wait();
    core.claim();
    // `kthread_stop()` does the rest of the request.
    core.raise_stop();
    core.unpark();

    let mut control = core.control.lock();
    if control.reaped {
        return;
    }
    let started = core.last_state() != State::New;
    if started {
        // `kthread()` skips the thread function if the thread has already been asked to stop.
        core.wait_entered();
        member.quiesce();
        if core.is_being_parked() {
            // `kthread_stop()` would withdraw the request to park that the holder of the handle
            // waits for. So this is the group, which has called `request_stop` before: all sleeps
            // of the thread end.
            core.exit().wait();
        } else {
            // It may have been parked since, and would wait for that caller to unpark it.
            core.unpark();
        }
    }

    // SAFETY: `core` holds a reference to the task. By the invariants of `Core` this is the only
    // call of `kthread_stop()`. Nobody starts to park the thread, as it has been asked to stop.
    unsafe { bindings::kthread_stop(core.task().as_ptr()) };
    core.exit().open();
    control.reaped = true;
    drop(control);

    // SAFETY: The task has exited, and only the first caller gets here.
    unsafe { member.reaped() };
    if !started {
        core.never_entered();
        // SAFETY: The task has exited without having entered, and only the first caller gets here.
        unsafe { member.drop_closure() };
    }
    core.remove();
}
