// SPDX-License-Identifier: GPL-2.0

//! The queue of a worker, which is a `struct kthread_worker`.
//!
//! The lock of the C structure serialises all accesses to the queue. If a function of
//! kernel/kthread.c does what is needed in one critical section, it is called. Otherwise this code
//! does it with the lock held:
//!
//! - `kthread_delayed_work_timer_fn()` drops a work item that is being cancelled or modified when
//!   its timer expires, and `kthread_cancel_delayed_work_sync()` then reports that it was not
//!   queued. So the timer is deleted first here, and its function is let through if it is waiting
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
/// - `dwork` is initialised with a function that takes back a reference to the `Work` that contains
///   this, and `release` takes back and drops one.
/// - While `dwork` is queued, in the list or by the timer of kthread_worker, the queue owns such a
///   reference.
/// - `dwork` is only ever queued on the worker whose number is `owner`.
#[pin_data]
#[repr(C)]
pub(super) struct RawWork {
    #[pin]
    pub(super) dwork: Opaque<bindings::kthread_delayed_work>,
    release: unsafe fn(*mut bindings::kthread_work),
    /// The number of the worker that owns this, or 0.
    owner: Atomic<u64>,
}

// SAFETY: A work item belongs to no task, so any task may use or drop it.
unsafe impl Send for RawWork {}

// SAFETY: `dwork` is only accessed with the lock of the worker held.
unsafe impl Sync for RawWork {}

impl RawWork {
    /// # Safety
    ///
    /// `run` and `release` must be what the type invariants require.
    pub(super) unsafe fn new(
        run: unsafe extern "C" fn(*mut bindings::kthread_work),
        release: unsafe fn(*mut bindings::kthread_work),
        site: Site,
    ) -> impl PinInit<Self> {
        // INVARIANT: The caller guarantees the right `run` and `release`. The item is not queued.
        pin_init!(Self {
            dwork <- Opaque::ffi_init(move |slot: *mut bindings::kthread_delayed_work| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { init_work(&raw mut (*slot).work, run) };
                // SAFETY: `slot` is valid for writes, and pinned. The function is the one that
                // kthread_worker expects for a timer in this structure, and the name and key are
                // static.
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

    /// Reserves the item for a worker, and returns whether the worker owns it.
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
/// `slot` must be valid for writes, and must not move afterwards.
unsafe fn init_work(
    slot: *mut bindings::kthread_work,
    func: unsafe extern "C" fn(*mut bindings::kthread_work),
) {
    // SAFETY: The caller guarantees that `slot` is valid for writes, and pinned.
    unsafe {
        slot.write(bindings::kthread_work::default());
        init_list_head(&raw mut (*slot).node);
        (*slot).func = Some(func);
    }
}

/// The number of the last worker that was created.
///
/// Work items refer to their worker by number, as an address can be reused by another worker.
static LAST: Atomic<u64> = Atomic::new(0);

/// The data that a worker shares with its handle and its group.
///
/// # Invariants
///
/// - All callers that queue on `worker`, or wait for it, are inside the gate, except
///   [`Shared::reaped`] and [`Shared::interrupt`].
/// - Only these are queued on `worker`: a [`Flush`] that someone waits for, `settle`, and the first
///   fields of [`RawWork`], each with its reference.
#[pin_data]
#[repr(C)]
pub(super) struct Shared {
    // The first field, so a pointer to it is a pointer to this.
    #[pin]
    core: Core,
    #[pin]
    worker: Opaque<bindings::kthread_worker>,
    /// Runs after an interrupted work item.
    ///
    /// Queued at most once.
    #[pin]
    settle: Opaque<bindings::kthread_work>,
    #[pin]
    pub(super) gate: Gate,
    id: u64,
}

// SAFETY: A worker belongs to no task, so any task may use or drop it.
unsafe impl Send for Shared {}

// SAFETY: `worker` and `settle` are only accessed with the lock held, except where a comment says
// why not.
unsafe impl Sync for Shared {}

/// Holds the lock of a worker.
///
/// # Invariants
///
/// The lock has been taken, and `flags` are the saved flags.
struct Locked<'a> {
    shared: &'a Shared,
    flags: c_ulong,
}

impl Locked<'_> {
    /// Returns the running item, or null.
    fn current_work(&self) -> *mut bindings::kthread_work {
        // SAFETY: The worker is initialised. By the type invariants its lock is held, which
        // serialises this field.
        unsafe { (*self.shared.worker.get()).current_work }
    }

    /// Returns how many callers cancel `work`.
    ///
    /// # Safety
    ///
    /// `work` must be an initialised item of this worker.
    unsafe fn canceling(&mut self, work: *mut bindings::kthread_work) -> &mut c_int {
        // SAFETY: The caller guarantees an initialised item. By the type invariants the lock is
        // held, which serialises this field.
        unsafe { &mut (*work).canceling }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is held, with these flags.
        unsafe {
            bindings::_raw_spin_unlock_irqrestore(
                &raw mut (*self.shared.worker.get()).lock,
                self.flags,
            )
        };
    }
}

/// The result of queueing a work item.
pub(super) enum Queued {
    /// It is queued, with the reference of the caller.
    Inserted,
    /// It was already queued: the queue has a reference, and needs no other.
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

    /// Finds the `Shared` that contains `worker`.
    ///
    /// # Safety
    ///
    /// `worker` must be part of a `Shared` that lives for `'a`.
    pub(super) unsafe fn of<'a>(worker: *mut bindings::kthread_worker) -> &'a Self {
        // SAFETY: The caller guarantees that `worker` is part of a `Shared` that lives for `'a`.
        unsafe { &*worker.byte_sub(offset_of!(Self, worker)).cast::<Self>() }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// The `owner` of the work items of this worker.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Returns whether the caller is the running `work`.
    pub(super) fn is_run_by_caller(&self, work: *mut bindings::kthread_delayed_work) -> bool {
        // SAFETY: Only the thread of the worker writes the field, and only it reads it here. A
        // running item is not freed, so its address is unique.
        self.core.is_current()
            && core::ptr::eq(unsafe { (*self.worker.get()).current_work }, work.cast())
    }

    /// Takes the lock of `worker`, until the guard is dropped.
    fn lock(&self) -> Locked<'_> {
        // SAFETY: The worker is initialised, and so is its lock, which is unlocked when the guard
        // is dropped.
        let flags = unsafe { bindings::_raw_spin_lock_irqsave(&raw mut (*self.worker.get()).lock) };

        // INVARIANT: The lock was just taken.
        Locked {
            shared: self,
            flags,
        }
    }

    /// Queues a work item, at once or once `delay` jiffies have passed.
    ///
    /// May be called from any context.
    ///
    /// # Safety
    ///
    /// `dwork` must be part of a [`RawWork`] whose owner is this worker. If this returns
    /// [`Queued::Inserted`], it takes a reference to it; until then it must not be freed.
    pub(super) unsafe fn queue(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
        delay: Option<Jiffies>,
    ) -> Queued {
        loop {
            // SAFETY: The caller guarantees that the item is initialised, and is not freed.
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
            let mut locked = self.lock();

            // The reason may no longer hold.
            //
            // SAFETY: The item is initialised, as above, and of this worker. The lock is held,
            // which serialises the list.
            unsafe {
                if *locked.canceling(&raw mut (*dwork).work) != 0 {
                    return Queued::Canceling;
                }
                if is_linked(&raw mut (*dwork).work.node) {
                    return Queued::Already;
                }
            }
        }
    }

    /// Queues a work item once `delay` jiffies have passed, or at once if that is zero, even if it
    /// is already queued.
    ///
    /// May be called from any context.
    ///
    /// # Safety
    ///
    /// The requirements of [`Shared::queue`].
    pub(super) unsafe fn requeue(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
        delay: Jiffies,
    ) -> Queued {
        let worker = self.worker.get();
        // SAFETY: The caller guarantees an initialised item of this worker, which is not freed.
        let is_canceled =
            |locked: &mut Locked<'_>| unsafe { *locked.canceling(&raw mut (*dwork).work) != 0 };
        // SAFETY: As above.
        let Some(locked) = (unsafe { self.lock_without_timer(dwork, is_canceled) }) else {
            return Queued::Canceling;
        };

        // This does what `__kthread_queue_delayed_work()` does, without its tracepoint.
        //
        // SAFETY: The item is initialised, the lock is held, and the timer is not pending.
        unsafe {
            let work = &raw mut (*dwork).work;
            let was_queued = is_linked(&raw mut (*work).node);

            list_del_init(&raw mut (*work).node);
            (*work).worker = worker;
            if delay == 0 {
                bindings::list_add_tail(&raw mut (*work).node, &raw mut (*worker).work_list);
                if locked.current_work().is_null() && !(*worker).task.is_null() {
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

    /// Takes the lock with the timer of a work item stopped, so that only holders of the lock add
    /// it to or remove it from the queue.
    ///
    /// Gives up if `is_refused`, which is called with the lock held. May be called from any
    /// context.
    ///
    /// # Safety
    ///
    /// `dwork` must be part of a [`RawWork`] whose owner is this worker, and must not be freed
    /// during the call.
    unsafe fn lock_without_timer(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
        is_refused: impl Fn(&mut Locked<'_>) -> bool,
    ) -> Option<Locked<'_>> {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        loop {
            let mut locked = self.lock();

            if is_refused(&mut locked) {
                return None;
            }
            // SAFETY: The caller guarantees a valid item, so the timer is initialised. It only
            // starts with the lock held.
            if unsafe { bindings::timer_delete_sync_try(&raw mut (*dwork).timer) } >= 0 {
                return Some(locked);
            }
            // Its function waits for the lock, on another CPU with interrupts off, to queue the
            // item.
            drop(locked);
            cpu_relax();
        }
    }

    /// Waits until all items that are queued now have run.
    ///
    /// The caller is inside the gate or has closed it, and is not the worker itself. Fails with
    /// [`ESRCH`] if the worker has died.
    pub(super) fn flush(&self) -> Result {
        stack_pin_init!(let flush = Flush::new());

        // SAFETY: Both are initialised, and `flush` lives until it has run or is cancelled below.
        unsafe { bindings::kthread_queue_work(self.worker.get(), flush.work.get()) };
        self.await_flush(&flush)
    }

    /// Runs `f` in the thread of the worker, after all items that are queued now, and returns its
    /// result.
    ///
    /// The caller is inside the gate, and is not the worker itself. Fails with [`ESRCH`] if the
    /// worker has died, or dies in `f`.
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
            // SAFETY: It has run, and the worker no longer accesses it.
            return unsafe { (*call.value.get()).take() }.ok_or(ESRCH);
        }
        // SAFETY: The thread has exited. If it ran this, it died in it, and there is nothing to
        // remove from the queue. If not, the case is that of `await_flush`.
        unsafe {
            if (*call.closure.get()).is_some() {
                bindings::kthread_cancel_work_sync(call.flush.work.get());
            }
        }
        Err(ESRCH)
    }

    /// Runs a work item of a user, with its context.
    ///
    /// # Safety
    ///
    /// Must only be called by the task of the worker, in a work item.
    pub(super) unsafe fn run_for_users(&self, f: impl FnOnce(&Context<'_>)) {
        // ORDERING: proofs/litmus/worker-stop.litmus
        // SAFETY: The caller guarantees that this is the task of the worker. Between two work items
        // the task uses no address space, and the context does not leave this function.
        let context = unsafe { Context::new(&self.core) };
        let held = self.core.map.hold();

        if self.core.stop_requested() {
            set_notify_signal(self.core.task());
        }
        f(&context);
        drop(held);
        if self.core.stop_requested() {
            // `kthread_worker_fn()` sleeps interruptibly, and could no longer sleep.
            clear_notify_signal();
        }
    }

    /// Waits for a queued `Flush`.
    ///
    /// If the worker has died, the `Flush` is no longer queued afterwards.
    fn await_flush(&self, flush: &Flush) -> Result {
        if self.core.exit().wait_with(&flush.done) {
            return Ok(());
        }
        // SAFETY: `flush` is initialised. It has not begun, as the thread died in an earlier item,
        // so this does not wait for it.
        unsafe { bindings::kthread_cancel_work_sync(flush.work.get()) };
        Err(ESRCH)
    }

    /// Removes a work item from the queue, stops its timer, and waits until it no longer runs.
    ///
    /// Returns whether it was queued, or waited for its timer. Nobody can queue it during the wait.
    /// Fails with [`ESRCH`], and changes nothing, if the gate is closed.
    ///
    /// # Safety
    ///
    /// `dwork` must be part of a [`RawWork`] whose owner is this worker. It must not be freed
    /// during the call, and the caller must not be the item itself.
    pub(super) unsafe fn cancel_sync(
        &self,
        dwork: *mut bindings::kthread_delayed_work,
    ) -> Result<bool> {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        let worker = self.worker.get();
        // SAFETY: The caller guarantees a valid structure, of which these are fields.
        let (work, node) = unsafe { (&raw mut (*dwork).work, &raw mut (*dwork).work.node) };
        // `reaped` takes the lock once the gate is closed. A caller that found it open is done by
        // then, or inside it.
        //
        // SAFETY: The caller guarantees a valid item of this worker.
        let locked = unsafe { self.lock_without_timer(dwork, |_| self.gate.is_closed()) };
        let mut locked = locked.ok_or(ESRCH)?;
        // An item that has run and been freed may still be current for a moment, and its address
        // reused. Then there is nothing to wait for, and the worker is about to clear the field.
        let running = core::ptr::eq(locked.current_work(), work);
        let _inside = match running {
            true => Some(self.gate.enter().ok_or(ESRCH)?),
            false => None,
        };
        // SAFETY: The lists are initialised, and the lock is held.
        let queued = unsafe { is_linked(node) };

        // SAFETY: The lists are initialised, and the lock is held.
        unsafe { list_del_init(node) };
        if !running {
            return Ok(queued);
        }

        stack_pin_init!(let flush = Flush::new());
        // This does what `kthread_flush_work()` does for a running work item.
        //
        // SAFETY: All is initialised, and the lock is held. `flush` lives until it has run or is
        // cancelled. While `canceling` is not zero, nobody queues the item or starts its timer.
        unsafe {
            bindings::list_add_tail(&raw mut (*flush.work.get()).node, (*worker).work_list.next);
            (*flush.work.get()).worker = worker;
            *locked.canceling(work) += 1;
        }
        drop(locked);

        // If the worker has died, the item no longer runs.
        let _ = self.await_flush(&flush);

        // SAFETY: The caller guarantees an initialised item of this worker.
        unsafe { *self.lock().canceling(work) -= 1 };
        Ok(queued)
    }

    /// Ends the interruptible sleeps of the running item.
    ///
    /// The worker has been asked to stop.
    ///
    /// Items that start later do so themselves. May be called from any context.
    fn interrupt(&self) {
        // ORDERING: proofs/litmus/worker-settle.litmus
        // ORDERING: proofs/litmus/worker-stop.litmus
        let (worker, settle) = (self.worker.get(), self.settle.get());
        let task = self.core.task();
        let locked = self.lock();

        // SAFETY: Everything is initialised, and the lock is held.
        unsafe {
            if locked.current_work().is_null() || is_linked(&raw mut (*settle).node) {
                return;
            }
            set_notify_signal(task);
            // The item may already have finished. The worker could then no longer sleep, but runs
            // this before it tries to.
            bindings::list_add_tail(&raw mut (*settle).node, &raw mut (*worker).work_list);
        }
        task.wake_up();
    }
}

// SAFETY: `Shared` is `repr(C)`, and `core` is its first field.
unsafe impl Member for Shared {
    fn request_stop(&self) {
        // ORDERING: proofs/litmus/worker-stop.litmus
        self.core.raise_stop();
        self.interrupt();
    }

    /// Closes the gate, and runs the queued items.
    fn quiesce(&self) {
        self.interrupt();
        self.gate.close();
        // If the worker has died, nothing will run.
        let _ = self.flush();
    }

    /// Drops the items that are still queued: those that wait for their timer, and those that a
    /// timer has queued since.
    unsafe fn reaped(&self) {
        // ORDERING: proofs/litmus/gate-cancel.litmus
        let worker = self.worker.get();

        loop {
            // SAFETY: These are initialised, and serialised by the lock. While it is held, no timer
            // moves an item from one list to the other.
            let first = unsafe {
                let _locked = self.lock();

                // A thread that died leaves a pointer to its last item. With the pointer cleared, a
                // timer wakes the task, which is dead, and which `core` keeps.
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
            // the first field of `RawWork`, because nobody waits for a `Flush` any more.
            let work = unsafe { container_of!(first, bindings::kthread_work, node) };

            // In any case, the item is no longer queued.
            //
            // SAFETY: The queue owns a reference to the item, which nobody else can take: the
            // thread is gone, and all callers that took the lock since the first round found the
            // gate closed. `RawWork` has a delayed work.
            unsafe { bindings::kthread_cancel_delayed_work_sync(work.cast()) };
            // SAFETY: The reference keeps the item valid, and it is no longer queued.
            unsafe { ((*work.cast::<RawWork>()).release)(work) };
        }
    }
}

/// The thread function of a worker.
///
/// # Safety
///
/// Must only be called by the task of the `core` of a [`Shared`], with a pointer to that.
unsafe fn run(core: *const Core) -> c_int {
    // SAFETY: The caller guarantees a pointer to a `Shared`, which by the invariants of `Core`
    // stays in the table of members until this task has exited.
    let shared = unsafe { &*core.cast::<Shared>() };

    shared.core.enter();
    // SAFETY: The worker is initialised, and only this task runs it. Nobody parks the task, which
    // this function does not support.
    unsafe { bindings::kthread_worker_fn(shared.worker.get().cast()) };
    shared.core.done();
    0
}

/// Returns a reference to the `Shared` that contains `core`.
///
/// # Safety
///
/// `core` must be the first field of a [`Shared`], which is in an [`Arc`].
unsafe fn own(core: *const Core) -> Arc<dyn Member> {
    // SAFETY: The caller guarantees that `core` is in an `Arc` of this type. The `ManuallyDrop`
    // leaves the count as it is.
    let shared = ManuallyDrop::new(unsafe { Arc::from_raw(core.cast::<Shared>()) });
    let shared: Arc<Shared> = Arc::clone(&shared);

    shared
}

/// Lets the worker sleep again, after an interrupted work item.
///
/// # Safety
///
/// Must only be called by kthread_worker.
unsafe extern "C" fn settle(_: *mut bindings::kthread_work) {
    // ORDERING: proofs/litmus/worker-settle.litmus
    clear_notify_signal();
}

/// A work item that reports that the worker has reached it.
///
/// # Invariants
///
/// It is queued only while someone waits for it.
#[pin_data]
#[repr(C)]
struct Flush {
    // The first field, so a pointer to it is a pointer to this.
    #[pin]
    work: Opaque<bindings::kthread_work>,
    #[pin]
    done: Completion,
}

impl Flush {
    fn new() -> impl PinInit<Self> {
        Self::with(Self::run)
    }

    /// Calls `run` when the worker reaches it, which completes `done` as its last step.
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
    /// Must only be called by kthread_worker, for the work item of a `Flush`.
    unsafe extern "C" fn run(work: *mut bindings::kthread_work) {
        // SAFETY: By the type invariants someone waits, and so keeps the `Flush`, until it is
        // completed. Nothing accesses it after that.
        unsafe { (*work.cast::<Self>()).done.complete() };
    }
}

/// A work item that calls a closure, which may borrow from its waiter.
///
/// # Invariants
///
/// Until `flush` is done or the task of the worker has exited, `closure` and `value` are that
/// task's.
#[pin_data]
#[repr(C)]
struct Call<F, R> {
    // The first field, so a pointer to it is a pointer to this.
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
    /// Must only be called by kthread_worker, for the work item of the `Flush` of a `Call`.
    unsafe extern "C" fn run(work: *mut bindings::kthread_work) {
        // ORDERING: proofs/litmus/exit-seen.litmus
        // ORDERING: proofs/litmus/worker-call.litmus
        // SAFETY: By the type invariants of `Flush` someone waits, and so keeps the `Call`, until
        // it is completed. Nothing accesses it after that.
        let call = unsafe { &*work.cast::<Self>() };
        // SAFETY: The item is running, so C has set its worker, which is part of the `Shared` of
        // this task.
        let shared = unsafe { Shared::of((*work).worker) };

        // SAFETY: This is the task of the worker, which by the type invariants owns both.
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
