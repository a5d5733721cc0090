// SPDX-License-Identifier: GPL-2.0

//! The queue of a worker, as `struct kthread_worker` has it.
//!
//! The lock of the C structure serialises all that is done to the queue. Where kernel/kthread.c
//! does in one critical section what is needed, its function is called. Where it does not, the same
//! is done here with the lock held:
//!
//! - `kthread_delayed_work_timer_fn()` drops a work that is being cancelled or modified when its
//!   timer ends, and `kthread_cancel_delayed_work_sync()` then says that it was not queued. So the
//!   timer is deleted before anything else here, and its function is let through if it is waiting
//!   for the lock.
//! - `kthread_flush_worker()` and `kthread_cancel_work_sync()` wait for ever for a worker that
//!   dies.

use super::{
    super::{
        completion::Completion,
        context::Context,
        core::{
            Core,
            Kind,
            Member,
            Options, //
        },
        ffi::{
            clear_notify_signal,
            init_list_head,
            is_linked,
            list_del_init,
            read_once,
            set_notify_signal, //
        },
        lockdep::{
            Site,
            What, //
        },
        members::Members,
    },
    gate::Gate, //
};
use core::{
    cell::UnsafeCell,
    mem::{
        offset_of,
        ManuallyDrop, //
    }, //
};
use kernel::{
    bindings,
    container_of,
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{
            atomic_load,
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Jiffies,
    types::Opaque, //
};
use pin_init::stack_pin_init;

/// The part of a `Work` that does not depend on its type.
///
/// # Invariants
///
/// - `dwork` is initialised with a function that takes a reference to the `Work` that this is part
///   of back from a pointer, and `release` is one that does so and drops it.
/// - While `dwork` is queued, by kthread_worker's list or timer, the queue owns such a reference.
/// - `dwork` is only ever queued on the worker whose number is `owner`.
#[pin_data]
#[repr(C)]
pub(super) struct RawWork {
    #[pin]
    pub(super) dwork: Opaque<bindings::kthread_delayed_work>,
    release: unsafe fn(*mut bindings::kthread_work),
    /// The number of the worker that this belongs to, or 0.
    owner: Atomic<u64>,
}

// SAFETY: A work item belongs to no task, so that any may use or drop it.
unsafe impl Send for RawWork {}

// SAFETY: `dwork` is only accessed with the lock of the worker held.
unsafe impl Sync for RawWork {}

impl RawWork {
    /// # Safety
    ///
    /// `run` and `release` must be what the type invariants ask for.
    pub(super) unsafe fn new(
        run: unsafe extern "C" fn(*mut bindings::kthread_work),
        release: unsafe fn(*mut bindings::kthread_work),
        site: Site,
    ) -> impl PinInit<Self> {
        // INVARIANT: By the requirements of this function. It is not queued.
        pin_init!(Self {
            dwork <- Opaque::ffi_init(move |slot: *mut bindings::kthread_delayed_work| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { init_work(&raw mut (*slot).work, run) };
                // SAFETY: As above. The function is the one that kthread_worker expects for a timer
                // in this structure, and the name and key are static.
                unsafe {
                    bindings::timer_init_key(
                        &raw mut (*slot).timer,
                        Some(bindings::kthread_delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
                        TIMER_NAME.as_char_ptr(),
                        site.key(What::Timer),
                    )
                };
            }),
            release,
            owner: Atomic::new(0),
        })
    }

    /// Returns whether this belongs to a worker.
    #[inline]
    pub(super) fn is_owned_by(&self, worker: u64) -> bool {
        read_once(&self.owner) == worker
    }

    /// Reserves the work for a worker, and returns whether it is that worker's.
    pub(super) fn claim(&self, worker: u64) -> bool {
        self.is_owned_by(worker)
            || match self.owner.cmpxchg(0, worker, Relaxed) {
                Ok(_) => true,
                Err(owner) => owner == worker,
            }
    }
}

static TIMER_NAME: &CStr = c"kthread::Work";

/// Does what the macro `kthread_init_work()` does in C.
///
/// # Safety
///
/// `slot` must be valid for writes, and what is there must not move afterwards.
unsafe fn init_work(
    slot: *mut bindings::kthread_work,
    func: unsafe extern "C" fn(*mut bindings::kthread_work),
) {
    // SAFETY: By the requirements of this function.
    unsafe {
        slot.write(bindings::kthread_work::default());
        init_list_head(&raw mut (*slot).node);
        (*slot).func = Some(func);
    }
}

/// The number of the last worker that was made.
///
/// Works know their worker by its number, as an address can become that of another worker.
static LAST: Atomic<u64> = Atomic::new(0);

/// What a worker shares with its handle and its group.
///
/// # Invariants
///
/// - All that queues on `worker`, or waits for it, is behind the gate, but for [`Shared::reaped`]
///   and [`Shared::interrupt`].
/// - All that is queued on `worker` are a [`Flush`] that someone waits for, `settle`, and the first
///   fields of [`RawWork`], with the reference that goes with that.
#[pin_data]
#[repr(C)]
pub(super) struct Shared {
    // The first field, so that a pointer to it is one to this.
    #[pin]
    core: Core,
    #[pin]
    worker: Opaque<bindings::kthread_worker>,
    /// Runs after a work that was interrupted. Queued at most once.
    #[pin]
    settle: Opaque<bindings::kthread_work>,
    #[pin]
    pub(super) gate: Gate,
    id: u64,
}

// SAFETY: A worker belongs to no task, so that any may use or drop it.
unsafe impl Send for Shared {}

// SAFETY: `worker` and `settle` are only accessed with its lock held, except where it says why that
// need not be.
unsafe impl Sync for Shared {}

/// Holds the lock of a worker.
///
/// # Invariants
///
/// The lock has been taken, and `flags` is what came of that.
struct Locked<'a> {
    shared: &'a Shared,
    flags: c_ulong,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe {
            bindings::_raw_spin_unlock_irqrestore(
                &raw mut (*self.shared.worker.get()).lock,
                self.flags,
            )
        };
    }
}

/// What has become of a work that was to be queued.
pub(super) enum Queued {
    /// It is queued, with the reference of the caller.
    Inserted,
    /// It was queued already: the queue has a reference, and needs no other.
    Already,
    /// It is being cancelled.
    Canceling,
}

impl Shared {
    pub(super) fn new(members: Arc<Members>, options: Options, site: Site) -> impl PinInit<Self> {
        // SAFETY: `run` and `own` expect the `core` of a `Shared`.
        let core = unsafe { Core::new(Some(members), options, site, &Kind { run, own }) };

        // INVARIANT: Nothing is queued yet.
        pin_init!(Self {
            core <- core,
            worker <- Opaque::ffi_init(move |slot| {
                let key = site.key(What::Lock);

                // SAFETY: `slot` is valid for writes, and pinned from here on. Name and key are
                // static.
                unsafe { bindings::__kthread_init_worker(slot, LOCK_NAME.as_char_ptr(), key) }
            }),
            settle <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { init_work(slot, settle) }
            }),
            gate <- Gate::new(),
            id: LAST.fetch_add(1, Relaxed).wrapping_add(1),
        })
    }

    /// Finds what `worker` is part of.
    ///
    /// # Safety
    ///
    /// It must be part of a `Shared`, which lives for `'a`.
    pub(super) unsafe fn of<'a>(worker: *mut bindings::kthread_worker) -> &'a Self {
        // SAFETY: By the requirements of this function.
        unsafe { &*worker.byte_sub(offset_of!(Self, worker)).cast::<Self>() }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// What a work that belongs to this worker has for owner.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Returns whether the caller is what `work` runs.
    pub(super) fn is_run_by_caller(&self, work: *mut bindings::kthread_delayed_work) -> bool {
        // SAFETY: The field is only written by the thread of the worker, which is the caller where
        // it is read. A work that runs is not freed, so that its address is its own.
        self.core.is_current()
            && core::ptr::eq(unsafe { (*self.worker.get()).current_work }, work.cast())
    }

    /// Takes the lock of `worker`, until the guard is dropped.
    fn lock(&self) -> Locked<'_> {
        // SAFETY: The worker is initialised, and so is its lock, which is unlocked when the guard
        // is dropped.
        let flags = unsafe { bindings::_raw_spin_lock_irqsave(&raw mut (*self.worker.get()).lock) };

        // INVARIANT: The lock has been taken just now.
        Locked {
            shared: self,
            flags,
        }
    }

    /// Queues a work, at once or once `delay` jiffies have passed.
    ///
    /// May be called from any context.
    ///
    /// # Safety
    ///
    /// `dwork` must be that of a [`RawWork`] whose owner is this worker. If this returns
    /// [`Queued::Inserted`], it takes a reference to it, and until then it must not be freed.
    pub(super) unsafe fn queue(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
        delay: Option<Jiffies>,
    ) -> Queued {
        loop {
            // SAFETY: By the requirements of this function the work is initialised, and stays.
            let inserted = unsafe {
                match delay {
                    None => bindings::kthread_queue_work(self.worker.get(), &raw mut (*dwork).work),
                    Some(delay) => {
                        bindings::kthread_queue_delayed_work(self.worker.get(), dwork, delay)
                    }
                }
            };
            if inserted {
                return Queued::Inserted;
            }
            let _locked = self.lock();

            // The reason may have gone meanwhile.
            //
            // SAFETY: As above. The lock is held, which serialises these fields.
            unsafe {
                if (*dwork).work.canceling != 0 {
                    return Queued::Canceling;
                }
                if is_linked(&raw mut (*dwork).work.node) {
                    return Queued::Already;
                }
            }
        }
    }

    /// Queues a work once `delay` jiffies have passed, or at once if that is zero, from wherever in
    /// the queue it is.
    ///
    /// May be called from any context.
    ///
    /// # Safety
    ///
    /// Those of [`Shared::queue`].
    pub(super) unsafe fn requeue(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
        delay: Jiffies,
    ) -> Queued {
        let worker = self.worker.get();
        // SAFETY: By the requirements of this function the work is initialised, and stays. The lock
        // is held when this is called.
        let is_canceled = || unsafe { (*dwork).work.canceling != 0 };
        // SAFETY: As above.
        let Some(_locked) = (unsafe { self.lock_without_timer(dwork, is_canceled) }) else {
            return Queued::Canceling;
        };

        // This is what `__kthread_queue_delayed_work()` does, but for its tracepoint.
        //
        // SAFETY: As above. The lock is held, and the timer is not pending.
        unsafe {
            let work = &raw mut (*dwork).work;
            let was_queued = is_linked(&raw mut (*work).node);

            list_del_init(&raw mut (*work).node);
            (*work).worker = worker;
            if delay == 0 {
                bindings::list_add_tail(&raw mut (*work).node, &raw mut (*worker).work_list);
                if (*worker).current_work.is_null() && !(*worker).task.is_null() {
                    bindings::wake_up_process((*worker).task);
                }
            } else {
                let now = atomic_load(&raw mut bindings::jiffies, Relaxed);

                bindings::list_add_tail(
                    &raw mut (*work).node,
                    &raw mut (*worker).delayed_work_list,
                );
                bindings::mod_timer(&raw mut (*dwork).timer, now.wrapping_add(delay));
            }
            match was_queued {
                true => Queued::Already,
                false => Queued::Inserted,
            }
        }
    }

    /// Takes the lock, with the timer of a work stopped, so that only those who hold the lock queue
    /// it or take it out of the queue.
    ///
    /// Gives up if `is_refused`, which is called with the lock held. May be called from any
    /// context.
    ///
    /// # Safety
    ///
    /// `dwork` must be that of a [`RawWork`] whose owner is this worker, and not be freed
    /// meanwhile.
    unsafe fn lock_without_timer(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
        is_refused: impl Fn() -> bool,
    ) -> Option<Locked<'_>> {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        loop {
            let locked = self.lock();

            if is_refused() {
                return None;
            }
            // SAFETY: By the requirements of this function the timer is initialised. It starts only
            // with the lock held.
            if unsafe { bindings::timer_delete_sync_try(&raw mut (*dwork).timer) } >= 0 {
                return Some(locked);
            }
            // Its function waits for the lock, on another CPU and with interrupts off, to queue the
            // work.
            drop(locked);
            cpu_relax();
        }
    }

    /// Waits until all that is queued now has run.
    ///
    /// The caller is behind the gate or has closed it, and is not the worker itself. Fails with
    /// [`ESRCH`] if the worker has died.
    pub(super) fn flush(&self) -> Result {
        stack_pin_init!(let flush = Flush::new());

        // SAFETY: Both are initialised, and `flush` lives until it has run or is cancelled below.
        unsafe { bindings::kthread_queue_work(self.worker.get(), flush.work.get()) };
        self.await_flush(&flush)
    }

    /// Runs `f` after all that is queued now, in the thread of the worker, and returns what that
    /// returns.
    ///
    /// The caller is behind the gate, and is not the worker itself. Fails with [`ESRCH`] if the
    /// worker has died, or dies of this.
    pub(super) fn call<F, R>(&self, f: F) -> Result<R>
    where
        F: FnOnce(&Context<'_>) -> R + Send,
        R: Send,
    {
        // ORDERING: proofs/litmus/exit-seen.litmus
        // ORDERING: proofs/litmus/worker-call.litmus
        stack_pin_init!(let call = Call::new(f));

        // SAFETY: Both are initialised, and `call` lives until it has run or is cancelled below.
        unsafe { bindings::kthread_queue_work(self.worker.get(), call.flush.work.get()) };
        if self.core.exit().wait_with(&call.flush.done) {
            // SAFETY: It has run, and is not touched by the worker any more.
            return unsafe { (*call.value.get()).take() }.ok_or(ESRCH);
        }
        // SAFETY: The thread has exited. If it took this to run, it died of it, and there is
        // nothing to take out of the queue. If not, it is as in `await_flush`.
        unsafe {
            if (*call.closure.get()).is_some() {
                bindings::kthread_cancel_work_sync(call.flush.work.get());
            }
        }
        Err(ESRCH)
    }

    /// Runs what users have queued, with the context that they are given.
    ///
    /// # Safety
    ///
    /// Must only be called by the task of the worker, in a work.
    pub(super) unsafe fn run_for_users(&self, f: impl FnOnce(&Context<'_>)) {
        // ORDERING: proofs/litmus/worker-stop.litmus
        // SAFETY: By the requirements of this function. Between two works the task uses no address
        // space, and the context does not leave this function.
        let context = unsafe { Context::new(&self.core) };
        let held = self.core.map.hold();

        if self.core.stop_requested() {
            set_notify_signal(self.core.task());
        }
        f(&context);
        drop(held);
        if self.core.stop_requested() {
            // `kthread_worker_fn()` sleeps interruptibly, and would not sleep any more.
            clear_notify_signal();
        }
    }

    /// Waits for something that has been queued. If the worker has died, it is not queued any more.
    fn await_flush(&self, flush: &Flush) -> Result {
        if self.core.exit().wait_with(&flush.done) {
            return Ok(());
        }
        // SAFETY: `flush` is initialised. It has not been begun, as the thread has died of
        // something before it, so that this does not wait for it.
        unsafe { bindings::kthread_cancel_work_sync(flush.work.get()) };
        Err(ESRCH)
    }

    /// Takes a work out of the queue, stops its timer, and waits until it does not run.
    ///
    /// Returns whether it was queued, or waited for its timer. While it is waited for, nobody can
    /// queue it. Fails with [`ESRCH`] if the gate is closed, without having done anything.
    ///
    /// # Safety
    ///
    /// `dwork` must be that of a [`RawWork`] whose owner is this worker. It must not be freed
    /// meanwhile, and must not be what the caller runs.
    pub(super) unsafe fn cancel_sync(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
    ) -> Result<bool> {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        let worker = self.worker.get();
        // SAFETY: By the requirements of this function these are fields of a valid structure.
        let (work, node) = unsafe { (&raw mut (*dwork).work, &raw mut (*dwork).work.node) };
        // `reaped` takes the lock once the gate is closed. Whoever has found it open is through by
        // then, or behind it.
        //
        // SAFETY: By the requirements of this function.
        let locked = unsafe { self.lock_without_timer(dwork, || self.gate.is_closed()) };
        let locked = locked.ok_or(ESRCH)?;
        // A work that has run, and been freed, may still be current for a moment, and its address
        // another's. Then there is nothing to wait for, and the worker is about to find that out.
        //
        // SAFETY: The field is initialised, and serialised by the lock.
        let running = core::ptr::eq(unsafe { (*worker).current_work }, work);
        let _inside = match running {
            true => Some(self.gate.enter().ok_or(ESRCH)?),
            false => None,
        };
        // SAFETY: The lists are initialised, and serialised by the lock.
        let queued = unsafe { is_linked(node) };

        // SAFETY: As above.
        unsafe { list_del_init(node) };
        if !running {
            return Ok(queued);
        }

        stack_pin_init!(let flush = Flush::new());
        // This is what `kthread_flush_work()` does for a work that runs.
        //
        // SAFETY: All is initialised, and the lock is held. `flush` lives until it has run or is
        // cancelled. While `canceling` is not zero, nobody queues the work or starts its timer.
        unsafe {
            bindings::list_add_tail(&raw mut (*flush.work.get()).node, (*worker).work_list.next);
            (*flush.work.get()).worker = worker;
            (*work).canceling += 1;
        }
        drop(locked);

        // If the worker has died, the work does not run any more.
        let _ = self.await_flush(&flush);

        let _locked = self.lock();
        // SAFETY: The lock is held, which serialises this field.
        unsafe { (*work).canceling -= 1 };
        Ok(queued)
    }

    /// Ends the interruptible sleeps of what runs now. The worker has been told to stop.
    ///
    /// What begins to run later sees to that itself. May be called from any context.
    fn interrupt(&self) {
        // ORDERING: proofs/litmus/worker-settle.litmus
        // ORDERING: proofs/litmus/worker-stop.litmus
        let (worker, settle) = (self.worker.get(), self.settle.get());
        let task = self.core.task();
        let _locked = self.lock();

        // SAFETY: All is initialised, and serialised by the lock.
        unsafe {
            if (*worker).current_work.is_null() || is_linked(&raw mut (*settle).node) {
                return;
            }
            set_notify_signal(task);
            // The work may have run already. The worker would not sleep any more, and comes upon
            // this before it tries.
            bindings::list_add_tail(&raw mut (*settle).node, &raw mut (*worker).work_list);
            (*settle).worker = worker;
        }
        task.wake_up();
    }
}

impl Member for Shared {
    fn core(&self) -> &Core {
        &self.core
    }

    fn request_stop(&self) {
        // ORDERING: proofs/litmus/worker-stop.litmus
        if self.core.raise_stop() {
            self.interrupt();
        }
    }

    /// Closes the gate, and lets run what has been queued.
    fn quiesce(&self) {
        self.interrupt();
        self.gate.close();
        // If the worker has died, nothing will run.
        let _ = self.flush();
    }

    /// Drops what is still queued: what waits for its timer, or was queued by it since.
    unsafe fn reaped(&self) {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        let worker = self.worker.get();

        loop {
            // SAFETY: These are initialised, and serialised by the lock. With it held, no timer is
            // about to move a work from one list to the other.
            let first = unsafe {
                let _locked = self.lock();

                // A thread that has died leaves behind a pointer to what it ran. Without it, a
                // timer wakes the task, if it is there at all: `core` keeps it, and it is dead.
                (*worker).current_work = core::ptr::null_mut();
                list_del_init(&raw mut (*self.settle.get()).node);
                [
                    &raw mut (*worker).delayed_work_list,
                    &raw mut (*worker).work_list,
                ]
                .into_iter()
                .find_map(|list| is_linked(list).then_some((*list).next))
            };
            let Some(first) = first else { break };
            // SAFETY: By the type invariants the entry is the `node` of a `kthread_work` that is
            // the first field of `RawWork`, because nobody is left who waits for a `Flush`.
            let work = unsafe { container_of!(first, bindings::kthread_work, node) };

            // Whatever this returns, the work is not queued any more.
            //
            // SAFETY: The queue owns a reference to the work, which nobody else can take: the
            // thread is gone, and the gate has been found closed by all who have taken the lock
            // since the first round. `RawWork` has a delayed work.
            unsafe { bindings::kthread_cancel_delayed_work_sync(work.cast()) };
            // SAFETY: As above, so the work is still there, and it is not queued any more.
            unsafe { ((*work.cast::<RawWork>()).release)(work) };
        }
    }
}

/// What the task of a worker runs.
///
/// # Safety
///
/// Must only be called by the task of the `core` of a [`Shared`], with a pointer to that.
unsafe fn run(core: *const Core) -> c_int {
    // SAFETY: By the requirements of this function this points to a `Shared`, which by the
    // invariants of `Core` stays in the table of members until this task has exited.
    let shared = unsafe { &*core.cast::<Shared>() };

    shared.core.enter();
    // SAFETY: The worker is initialised, and this task is the only one that runs it. Nobody parks
    // the task, which this function does not provide for.
    unsafe { bindings::kthread_worker_fn(shared.worker.get().cast()) };
    shared.core.done();
    0
}

/// Returns a reference to what `core` is part of.
///
/// # Safety
///
/// `core` must be the first field of a [`Shared`], which is in an [`Arc`].
unsafe fn own(core: *const Core) -> Arc<dyn Member> {
    // SAFETY: By the requirements of this function. The reference that this stands for stays where
    // it is.
    let shared = ManuallyDrop::new(unsafe { Arc::from_raw(core.cast::<Shared>()) });
    let shared: Arc<Shared> = Arc::clone(&shared);

    shared
}

/// Makes the worker sleep again, after a work that was interrupted.
///
/// # Safety
///
/// Must only be called by kthread_worker.
unsafe extern "C" fn settle(_: *mut bindings::kthread_work) {
    // ORDERING: proofs/litmus/worker-settle.litmus
    clear_notify_signal();
}

/// A work that tells that it has been reached.
///
/// # Invariants
///
/// It is queued only while someone waits for it.
#[pin_data]
#[repr(C)]
struct Flush {
    // The first field, so that a pointer to it is one to this.
    #[pin]
    work: Opaque<bindings::kthread_work>,
    #[pin]
    done: Completion,
}

impl Flush {
    fn new() -> impl PinInit<Self> {
        Self::with(Self::run)
    }

    /// Calls `run` when it has been reached, which completes `done` at last.
    fn with(run: unsafe extern "C" fn(*mut bindings::kthread_work)) -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(move |slot| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { init_work(slot, run) }
            }),
            done <- Completion::new(),
        })
    }

    /// # Safety
    ///
    /// Must only be called by kthread_worker, for the work of a `Flush`.
    unsafe extern "C" fn run(work: *mut bindings::kthread_work) {
        // SAFETY: By the type invariants someone waits, and so keeps the `Flush`, until the
        // completion comes. Nothing touches it after that.
        unsafe { (*work.cast::<Self>()).done.complete() };
    }
}

/// A work that calls a closure, which may borrow from who waits for it.
///
/// # Invariants
///
/// Until `flush` is done or the task of the worker has exited, `closure` and `value` are that
/// task's.
#[pin_data]
#[repr(C)]
struct Call<F, R> {
    // The first field, so that a pointer to it is one to this.
    #[pin]
    flush: Flush,
    closure: UnsafeCell<Option<F>>,
    value: UnsafeCell<Option<R>>,
}

impl<F, R> Call<F, R>
where
    F: FnOnce(&Context<'_>) -> R,
{
    fn new(closure: F) -> impl PinInit<Self> {
        pin_init!(Self {
            flush <- Flush::with(Self::run),
            closure: UnsafeCell::new(Some(closure)),
            value: UnsafeCell::new(None),
        })
    }

    /// # Safety
    ///
    /// Must only be called by kthread_worker, for the work of the `Flush` of a `Call`.
    unsafe extern "C" fn run(work: *mut bindings::kthread_work) {
        // ORDERING: proofs/litmus/exit-seen.litmus
        // ORDERING: proofs/litmus/worker-call.litmus
        // SAFETY: By the type invariants of `Flush` someone waits, and so keeps the `Call`, until
        // the completion comes. Nothing touches it after that.
        let call = unsafe { &*work.cast::<Self>() };
        // SAFETY: The work runs, so that C has set its worker, which is part of a `Shared` whose
        // task this is.
        let shared = unsafe { Shared::of((*work).worker) };

        // SAFETY: This is the task of the worker, and by the type invariants both are its own.
        unsafe {
            shared.run_for_users(|ctx| {
                if let Some(closure) = (*call.closure.get()).take() {
                    *call.value.get() = Some(closure(ctx));
                }
            })
        };
        call.flush.done.complete();
    }
}

static LOCK_NAME: &CStr = c"kthread::Worker";
