// SPDX-License-Identifier: GPL-2.0

//! Threads that run work items, one after the other.
//!
//! A [`Worker`] is a kernel thread with a queue of [`Work`]. In contrast to a workqueue, all its
//! items run in one thread, which has the name, placement and policy that a [`Builder`] gives it.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use super::{
    builder::Builder,
    completion::Completion,
    errno::edeadlk,
    group::{
        Members,
        ThreadGroup, //
    },
    identity::Observer,
    packet::{
        self,
        Core,
        Member, //
    }, //
};
use core::{
    cell::UnsafeCell,
    ops::Deref, //
};
use kernel::{
    alloc::Flags,
    bindings,
    container_of,
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
    task::might_sleep,
    time::Jiffies,
    types::{
        Opaque,
        ScopeGuard, //
    }, //
};
use pin_init::stack_pin_init;

/// What a [`Work`] does when it runs.
pub trait WorkItem: Send + Sync + Sized + 'static {
    /// Does the work.
    ///
    /// Runs in the thread of the worker, and may sleep. The work may be queued again, by others as
    /// well as by this function, from the moment that this is called.
    fn run(this: Arc<Work<Self>>);
}

/// The part of a [`Work`] that does not depend on its type.
///
/// # Invariants
///
/// - `dwork` is initialised with a function that takes a reference to the [`Work`] that this is part
///   of back from a pointer, and `release` is one that does so and drops it.
/// - While `dwork` is queued, by kthread_worker's list or timer, the queue owns such a reference.
/// - `dwork` is only ever queued on the worker whose address is `owner`.
#[pin_data]
#[repr(C)]
struct Links {
    #[pin]
    dwork: Opaque<bindings::kthread_delayed_work>,
    release: unsafe fn(*mut bindings::kthread_work),
    owner: Atomic<usize>,
}

// SAFETY: A work item belongs to no task, so that any may use or drop it.
unsafe impl Send for Links {}

// SAFETY: `dwork` is only accessed by C functions that hold the lock of the worker.
unsafe impl Sync for Links {}

impl Links {
    fn new<T: WorkItem>() -> impl PinInit<Self> {
        // INVARIANT: `run` and `release` are instantiated for the type of the `Work`, whose first
        // field this is. It is not queued.
        pin_init!(Self {
            dwork <- Opaque::ffi_init(|slot: *mut bindings::kthread_delayed_work| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { init_work(&raw mut (*slot).work, run::<T>) };
                // SAFETY: As above. The function is the one that kthread_worker expects for a timer
                // in this structure, and the name and key are static.
                unsafe {
                    bindings::timer_init_key(
                        &raw mut (*slot).timer,
                        Some(bindings::kthread_delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
                        c"kthread::Work".as_char_ptr(),
                        kernel::static_lock_class!().as_ptr(),
                    )
                };
            }),
            release: release::<T>,
            owner: Atomic::new(0),
        })
    }

    /// Returns the worker that this belongs to, or 0.
    ///
    /// A plain read, as [`Atomic::load`] is a call where the compiler can not inline the helpers for
    /// functions of C.
    #[inline]
    fn owner(&self) -> usize {
        // SAFETY: The pointer is valid. A volatile read of a word does not race with atomic accesses.
        unsafe { self.owner.as_ptr().read_volatile() }
    }

    /// Reserves the work for a worker, and tells whether it is that worker's.
    fn claim(&self, worker: usize) -> bool {
        if self.owner() == worker {
            return true;
        }
        match self.owner.cmpxchg(0, worker, Relaxed) {
            Ok(_) => true,
            Err(owner) => owner == worker,
        }
    }
}

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
        init_list(&raw mut (*slot).node);
        (*slot).func = Some(func);
    }
}

/// Does what the inline function `INIT_LIST_HEAD()` does in C, which would be a call.
///
/// # Safety
///
/// `list` must be valid for writes, and nobody else may access it.
unsafe fn init_list(list: *mut bindings::list_head) {
    // SAFETY: By the requirements of this function.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
}

/// What the worker calls for a `Work<T>`.
///
/// # Safety
///
/// Must only be called by kthread_worker, for a work that it has taken from its queue.
unsafe extern "C" fn run<T: WorkItem>(work: *mut bindings::kthread_work) {
    // SAFETY: By the type invariants of `Links` the queue owned a reference, which is this
    // function's, as the work has left the queue.
    T::run(unsafe { Arc::from_raw(work.cast::<Work<T>>()) })
}

/// Drops the reference of the queue.
///
/// # Safety
///
/// `work` must be that of a `Work<T>` and have been taken from its queue without being run.
unsafe fn release<T: WorkItem>(work: *mut bindings::kthread_work) {
    // SAFETY: By the type invariants of `Links` the queue owned a reference, which is this
    // function's by its requirements.
    drop(unsafe { Arc::from_raw(work.cast::<Work<T>>()) });
}

/// A work item: something to be done by a [`Worker`], at once or after a delay.
///
/// It derefs to the `T` that it does it with. One that is in an [`Arc`] can be queued. From then on
/// it belongs to that worker for good.
///
/// There is one type for `struct kthread_work` and `struct kthread_delayed_work`: the C functions for
/// the latter work for both, and those for the former go wrong with a delayed work, when they cancel
/// or flush it.
///
/// # Examples
///
/// ```
/// struct Greeting(&'static str);
///
/// impl WorkItem for Greeting {
///     fn run(this: Arc<Work<Self>>) {
///         pr_info!("{}\n", this.0);
///     }
/// }
///
/// # fn f(group: &ThreadGroup) -> Result {
/// let worker = Builder::new(fmt!("greeter")).spawn_worker(group)?;
/// let work = Work::new_arc(Greeting("hello"), GFP_KERNEL)?;
///
/// worker.queue(work.clone())?;
/// worker.flush()?;
/// worker.queue_delayed(work.clone(), msecs_to_jiffies(1000))?;
/// assert!(worker.cancel_sync(&work)?.is_some());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "kthread_work")]
#[doc(alias = "kthread_delayed_work")]
#[doc(alias = "DelayedWork")]
#[pin_data]
#[repr(C)]
pub struct Work<T: WorkItem> {
    // The first field, so that a pointer to the work is one to this.
    #[pin]
    links: Links,
    #[pin]
    value: T,
}

impl<T: WorkItem> Work<T> {
    /// Creates an initialiser for a work that is not queued.
    #[doc(alias = "kthread_init_work")]
    #[doc(alias = "kthread_init_delayed_work")]
    pub fn new(value: impl PinInit<T>) -> impl PinInit<Self> {
        pin_init!(Self {
            links <- Links::new::<T>(),
            value <- value,
        })
    }

    /// Allocates a work that is not queued.
    ///
    /// May sleep, as `flags` say. Fails with [`ENOMEM`].
    pub fn new_arc(value: impl PinInit<T>, flags: Flags) -> Result<Arc<Self>> {
        Arc::pin_init(Self::new(value), flags)
    }
}

impl<T: WorkItem> Deref for Work<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Why a work was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is queued already, or is being cancelled.
    Pending,
    /// It belongs to another worker.
    OtherWorker,
    /// The worker is being stopped.
    Stopped,
}

/// A work that was not queued.
///
/// # Examples
///
/// ```
/// # fn f<T: WorkItem>(worker: &Worker, work: Arc<Work<T>>) -> Result {
/// match worker.queue(work) {
///     Err(refused) if refused.reason == Refusal::Pending => pr_info!("it will run anyway\n"),
///     other => other?,
/// }
/// # Ok(())
/// # }
/// ```
pub struct Refused<T: WorkItem> {
    /// The work, given back.
    pub work: Arc<Work<T>>,
    /// Why.
    pub reason: Refusal,
}

impl<T: WorkItem> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.reason)
    }
}

impl<T: WorkItem> From<Refused<T>> for Error {
    fn from(refused: Refused<T>) -> Error {
        match refused.reason {
            Refusal::Pending => EBUSY,
            Refusal::OtherWorker => EINVAL,
            Refusal::Stopped => ESRCH,
        }
    }
}

/// Lets users in until it is closed, and tells when all have left.
#[pin_data]
struct Gate {
    /// How many are in, and [`Gate::CLOSED`].
    users: Atomic<usize>,
    #[pin]
    empty: Completion,
}

impl Gate {
    const CLOSED: usize = 1 << 31;

    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            users: Atomic::new(0),
            empty <- Completion::new(),
        })
    }

    /// May be called from any context.
    fn enter(&self) -> Option<Inside<'_>> {
        let inside = Inside(self);

        if self.users.fetch_add(1, Full) & Self::CLOSED != 0 {
            return None;
        }
        Some(inside)
    }

    /// A plain read, as [`Atomic::load`] is a call where the compiler can not inline the helpers for
    /// functions of C.
    #[inline]
    fn is_closed(&self) -> bool {
        // SAFETY: The pointer is valid. A volatile read of a word does not race with atomic accesses.
        unsafe { self.users.as_ptr().read_volatile() & Self::CLOSED != 0 }
    }

    /// Lets nobody in from here on, and returns once nobody is in. To be called once.
    fn close(&self) {
        if self.users.fetch_add(Self::CLOSED, Full) != 0 {
            self.empty.wait();
        }
    }
}

/// Whoever is behind a [`Gate`].
struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Full) == Gate::CLOSED | 1 {
            // Whoever is refused afterwards may get here as well, and the one that waits needs no more
            // than one. In a hard interrupt this is allowed, and `complete_all()` is not.
            self.0.empty.complete();
        }
    }
}

/// What a worker shares with its handle and its group.
///
/// # Invariants
///
/// - All that queues on `worker`, or waits for it, is behind the gate, but for [`Shared::reaped`].
/// - All that is queued on `worker` are a [`Flush`] that someone waits for, and the first fields of
///   [`Links`], with the reference that goes with that.
#[pin_data]
struct Shared {
    #[pin]
    core: Core,
    #[pin]
    worker: Opaque<bindings::kthread_worker>,
    #[pin]
    gate: Gate,
}

// SAFETY: A worker belongs to no task, so that any may use or drop it.
unsafe impl Send for Shared {}

// SAFETY: `worker` is only accessed by C functions that hold its lock, except where it says why it
// need not be held.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(members: Arc<Members>, freezable: bool) -> impl PinInit<Self> {
        // INVARIANT: Nothing is queued yet.
        pin_init!(Self {
            core <- Core::new(Some(members), freezable),
            worker <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes, and pinned from here on. Name and key are
                // static.
                unsafe {
                    bindings::__kthread_init_worker(
                        slot,
                        c"kthread::Worker".as_char_ptr(),
                        kernel::static_lock_class!().as_ptr(),
                    )
                }
            }),
            gate <- Gate::new(),
        })
    }

    /// Takes the lock of `worker`, until the guard is dropped.
    fn lock(&self) -> impl Drop {
        // SAFETY: The worker is initialised.
        let lock = unsafe { &raw mut (*self.worker.get()).lock };
        // SAFETY: The lock is initialised, and unlocked below.
        let flags = unsafe { bindings::_raw_spin_lock_irqsave(lock) };

        // SAFETY: The lock has been locked, with these flags.
        ScopeGuard::new(move || unsafe { bindings::_raw_spin_unlock_irqrestore(lock, flags) })
    }

    /// Waits until all that is queued now has run.
    ///
    /// The caller is behind the gate or has closed it, and is not the worker itself.
    ///
    /// This does what `kthread_flush_worker()` does, and gives up if the worker has died.
    fn flush(&self) -> Result {
        stack_pin_init!(let flush = Flush::new());

        // SAFETY: Both are initialised, and `flush` lives until it has run or is cancelled below.
        unsafe { bindings::kthread_queue_work(self.worker.get(), flush.work.get()) };
        self.await_flush(&flush)
    }

    /// Waits for something that has been queued. If the worker has died, it is not queued any more.
    fn await_flush(&self, flush: &Flush) -> Result {
        if self.core.wait_for(&flush.done) {
            return Ok(());
        }
        // SAFETY: `flush` is initialised. It has not been begun, as the thread has died of something
        // before it, so that this does not wait for it.
        unsafe { bindings::kthread_cancel_work_sync(flush.work.get()) };
        Err(ESRCH)
    }

    /// Takes a work out of the queue, stops its timer, and waits until it does not run.
    ///
    /// Tells whether it was queued, or waited for its timer. While it is waited for, nobody can queue
    /// it. Fails with [`ESRCH`] if the gate is closed, without having done anything.
    ///
    /// # Safety
    ///
    /// `dwork` must be that of [`Links`] whose owner is this worker. It must not be freed meanwhile,
    /// and must not be what the caller runs.
    unsafe fn cancel_sync(&self, dwork: *mut bindings::kthread_delayed_work) -> Result<bool> {
        // SAFETY: By the requirements of this function these are fields of valid structures.
        let (timer, work, node, worker) = unsafe {
            (
                &raw mut (*dwork).timer,
                &raw mut (*dwork).work,
                &raw mut (*dwork).work.node,
                self.worker.get(),
            )
        };

        let locked = loop {
            let locked = self.lock();

            // `reaped` takes the lock once it is closed. Whoever has found it open is through by then,
            // or behind it.
            if self.gate.is_closed() {
                return Err(ESRCH);
            }
            // SAFETY: The timer is initialised, and starts only with the lock held.
            if unsafe { bindings::timer_delete_sync_try(timer) } >= 0 {
                break locked;
            }
            // Its function runs, and waits for the lock to queue the work. With PREEMPT_RT it is a
            // thread, which the caller must not keep from the CPU.
            drop(locked);
            // SAFETY: This is process context, with no lock held.
            unsafe { bindings::schedule_timeout_uninterruptible(1) };
        };
        // SAFETY: The field is initialised, and serialised by the lock.
        let running = core::ptr::eq(unsafe { (*worker).current_work }, work);
        let _inside = match running {
            true => Some(self.gate.enter().ok_or(ESRCH)?),
            false => None,
        };
        // SAFETY: The lists are initialised, and serialised by the lock.
        let queued = unsafe {
            let queued = !core::ptr::eq((*node).next, node);

            if queued {
                (*(*node).next).prev = (*node).prev;
                (*(*node).prev).next = (*node).next;
                init_list(node);
            }
            queued
        };
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
}

impl Member for Shared {
    fn core(&self) -> &Core {
        &self.core
    }

    /// Closes the gate, and lets run what has been queued.
    fn quiesce(&self) {
        self.gate.close();
        // If the worker has died, nothing will run.
        let _ = self.flush();
    }

    /// Drops what is still queued: what waits for its timer, or was queued by it since.
    unsafe fn reaped(&self) {
        let worker = self.worker.get();

        loop {
            // SAFETY: These are initialised, and serialised by the lock. With it held, no timer is
            // about to move a work from one list to the other.
            let first = unsafe {
                let _locked = self.lock();

                // A thread that has died leaves behind a pointer to what it ran. Without it, a timer
                // wakes the task, if it is there at all: `core` keeps it, and it is dead.
                (*worker).current_work = core::ptr::null_mut();
                [
                    &raw mut (*worker).delayed_work_list,
                    &raw mut (*worker).work_list,
                ]
                .into_iter()
                .find_map(|list| {
                    let first = (*list).next;

                    (!core::ptr::eq(first, list)).then_some(first)
                })
            };
            let Some(first) = first else { break };
            // SAFETY: By the type invariants the entry is the `node` of a `kthread_work` that is the
            // first field of `Links`, because nobody is left who waits for a `Flush`.
            let work = unsafe { container_of!(first, bindings::kthread_work, node) };

            // Whatever this returns, the work is not queued any more.
            //
            // SAFETY: The queue owns a reference to the work, which nobody else can take: the thread is
            // gone, and the gate has been found closed by all who have taken the lock since the first
            // round. `Links` has a delayed work.
            unsafe { bindings::kthread_cancel_delayed_work_sync(work.cast()) };
            // SAFETY: As above, so the work is still there, and it is not queued any more.
            unsafe { ((*work.cast::<Links>()).release)(work) };
        }
    }

    unsafe fn drop_closure(&self) {}

    unsafe fn drop_value(&self) {}
}

/// What the task of a worker runs.
///
/// # Safety
///
/// Must only be run by a task that [`Builder::spawn_worker`] made, with the pointer that it passed.
unsafe extern "C" fn worker_entry(data: *mut c_void) -> c_int {
    // SAFETY: By the requirements of this function `data` points to a `Shared`, which by the
    // invariants of `Core` stays in the table of members until this task is gone.
    let shared = unsafe { &*data.cast::<Shared>() };

    shared.core.enter();
    // SAFETY: The worker is initialised, and this task is the only one that runs it. Nobody parks
    // the task, which this function does not provide for.
    unsafe { bindings::kthread_worker_fn(shared.worker.get().cast()) };
    shared.core.finish();
    0
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
        pin_init!(Self {
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes, and pinned from here on.
                unsafe { init_work(slot, Self::run) }
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

/// A kernel thread that runs [`Work`], one after the other, in the order in which it is queued.
///
/// A worker is a member of a [`ThreadGroup`]. When it is dropped, all that is queued runs, unless it
/// waits for the end of a delay, in which case it is dropped without running. Work that is queued
/// meanwhile, even by a work that runs, is refused.
///
/// Bound to one CPU by [`Placement::Cpu`], it does not follow CPU hotplug.
///
/// Wraps `struct kthread_worker`. In contrast to C, a worker that has been created has been woken as
/// well, and flushing one does not hang.
///
/// # Examples
///
/// A work that queues itself again:
///
/// ```
/// struct Poll {
///     worker: Arc<Worker>,
///     left: Atomic<usize>,
/// }
///
/// impl WorkItem for Poll {
///     fn run(this: Arc<Work<Self>>) {
///         if this.left.fetch_sub(1, Relaxed) > 1 {
///             // That the worker is being stopped is a reason not to go on.
///             let _ = this.worker.clone().queue_delayed(this, 1);
///         }
///     }
/// }
///
/// # fn f(group: &ThreadGroup) -> Result {
/// let worker = Arc::new(Builder::new(fmt!("poller")).spawn_worker(group)?, GFP_KERNEL)?;
/// let poll = Poll {
///     worker: worker.clone(),
///     left: Atomic::new(3),
/// };
///
/// worker.queue(Work::new_arc(poll, GFP_KERNEL)?)?;
/// # Ok(())
/// # }
/// ```
///
/// [`Placement::Cpu`]: super::Placement::Cpu
#[doc(alias = "kthread_worker")]
#[must_use = "a worker is stopped when its handle is dropped"]
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    /// Queues a work.
    ///
    /// It may run before this returns. If it is queued already, or can not be, it is given back.
    ///
    /// May be called from any context.
    ///
    /// Wraps `kthread_queue_work()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_queue_work")]
    pub fn queue<T: WorkItem>(&self, work: Arc<Work<T>>) -> Result<(), Refused<T>> {
        self.insert(work, |worker, dwork| {
            // SAFETY: `insert` passes what is initialised, and valid until it has run.
            unsafe { bindings::kthread_queue_work(worker, &raw mut (*dwork).work) }
        })
    }

    /// Queues a work once `delay` jiffies have passed, or at once if that is zero.
    ///
    /// If it is queued already, or can not be, it is given back.
    ///
    /// May be called from any context.
    ///
    /// Wraps `kthread_queue_delayed_work()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_queue_delayed_work")]
    pub fn queue_delayed<T: WorkItem>(
        &self,
        work: Arc<Work<T>>,
        delay: Jiffies,
    ) -> Result<(), Refused<T>> {
        self.insert(work, |worker, dwork| {
            // SAFETY: `insert` passes what is initialised, and valid until it has run.
            unsafe { bindings::kthread_queue_delayed_work(worker, dwork, in_future(delay)) }
        })
    }

    /// Queues a work once `delay` jiffies have passed, or lets it wait so long from now on if it
    /// waits for the end of a delay already.
    ///
    /// Returns the given reference in the second case, in which the queue has one. A work that is
    /// queued and does not wait for the end of a delay is refused: it is about to run.
    ///
    /// May be called from any context.
    ///
    /// This is what `kthread_mod_delayed_work()` is for. That one loses a work whose timer expires
    /// meanwhile: see `kthread_delayed_work_timer_fn()` of
    /// [`kernel/kthread.c`](srctree/kernel/kthread.c), which drops what is being cancelled.
    #[doc(alias = "kthread_mod_delayed_work")]
    pub fn mod_delayed<T: WorkItem>(
        &self,
        work: Arc<Work<T>>,
        delay: Jiffies,
    ) -> Result<Option<Arc<Work<T>>>, Refused<T>> {
        let delay = in_future(delay);
        let mut modified = false;
        let inserted = self.insert(work, |worker, dwork| {
            // SAFETY: The clock is there since boot, and advances at any time.
            let now = unsafe { (&raw const bindings::jiffies).read_volatile() };

            // The timer is started with the lock held, too.
            let locked = self.shared.lock();

            // SAFETY: `insert` passes what is initialised, and the given reference keeps it. A timer
            // that is pending stays so, or expires, whereupon its work is queued: in both cases the
            // queue has its reference.
            modified = unsafe {
                bindings::mod_timer_pending(&raw mut (*dwork).timer, now.wrapping_add(delay)) != 0
            };
            drop(locked);
            // SAFETY: `insert` passes what is initialised, and valid until it has run.
            !modified && unsafe { bindings::kthread_queue_delayed_work(worker, dwork, delay) }
        });

        match inserted {
            Ok(()) => Ok(None),
            Err(refused) if modified => Ok(Some(refused.work)),
            Err(refused) => Err(refused),
        }
    }

    /// Passes a work to `queue`, and a reference to it if that returns true.
    fn insert<T: WorkItem>(
        &self,
        work: Arc<Work<T>>,
        queue: impl FnOnce(*mut bindings::kthread_worker, *mut bindings::kthread_delayed_work) -> bool,
    ) -> Result<(), Refused<T>> {
        let Some(_inside) = self.shared.gate.enter() else {
            return Err(Refused {
                work,
                reason: Refusal::Stopped,
            });
        };
        // INVARIANT: The work is queued below only if the worker is its owner.
        if !work.links.claim(self.id()) {
            return Err(Refused {
                work,
                reason: Refusal::OtherWorker,
            });
        }
        let work = Arc::into_raw(work);

        if queue(self.shared.worker.get(), work.cast_mut().cast()) {
            // INVARIANT: It is queued now, and the reference is the queue's.
            return Ok(());
        }
        Err(Refused {
            // SAFETY: The queue has not taken the reference.
            work: unsafe { Arc::from_raw(work) },
            reason: Refusal::Pending,
        })
    }

    /// What a work that belongs to this worker has for owner.
    fn id(&self) -> usize {
        self.shared.worker.get().addr()
    }

    /// Takes a work back from the queue, or stops its timer, and waits until it does not run.
    ///
    /// Returns the reference of the queue if the work was queued.
    ///
    /// Sleeps. Fails with
    /// - [`EDEADLK`] if the caller is what the work runs,
    /// - [`ESRCH`] if the worker is being stopped, or has died.
    ///
    /// This is what `kthread_cancel_delayed_work_sync()` is for. That one loses a work whose timer
    /// expires meanwhile, and then does not tell that it was queued: see
    /// `kthread_delayed_work_timer_fn()` of [`kernel/kthread.c`](srctree/kernel/kthread.c), which
    /// drops what is being cancelled. And if the work that it waits for dies, it waits for ever, where
    /// this returns within a second.
    #[doc(alias = "kthread_cancel_work_sync")]
    #[doc(alias = "kthread_cancel_delayed_work_sync")]
    pub fn cancel_sync<T: WorkItem>(&self, work: &Arc<Work<T>>) -> Result<Option<Arc<Work<T>>>> {
        might_sleep();

        if work.links.owner() != self.id() {
            return Ok(None);
        }
        let dwork = work.links.dwork.get();

        if self.shared.core.is_current() {
            // SAFETY: This is the thread that writes the field.
            let current = unsafe { (*self.shared.worker.get()).current_work };

            if core::ptr::eq(current, dwork.cast()) {
                return Err(edeadlk());
            }
        } else if self.shared.core.is_exiting() {
            return Err(ESRCH);
        }

        // SAFETY: The work belongs to this worker, and is not what the caller runs. `work` keeps it.
        if unsafe { self.shared.cancel_sync(dwork)? } {
            // SAFETY: It was queued and is not any more, so that the reference of the queue, which
            // `insert` made of an `Arc`, is free.
            return Ok(Some(unsafe { Arc::from_raw(Arc::as_ptr(work)) }));
        }
        Ok(None)
    }

    /// Waits until all work that is queued now has run.
    ///
    /// Work whose delay has not ended is not waited for.
    ///
    /// Sleeps. Fails with
    /// - [`EDEADLK`] if the caller is a work of this worker,
    /// - [`ESRCH`] if the worker is being stopped, or has died.
    #[doc(alias = "kthread_flush_worker")]
    #[doc(alias = "kthread_flush_work")]
    pub fn flush(&self) -> Result {
        might_sleep();

        if self.shared.core.is_current() {
            return Err(edeadlk());
        }
        let _inside = self.shared.gate.enter().ok_or(ESRCH)?;

        self.shared.flush()
    }

    /// Allocates a work that calls `closure`, and queues it.
    ///
    /// May sleep, as `flags` say. Fails with [`ENOMEM`], or [`ESRCH`] if the worker is being stopped.
    /// If it fails, `closure` has been dropped.
    pub fn spawn<F>(&self, flags: Flags, closure: F) -> Result
    where
        F: FnOnce() + Send + 'static,
    {
        let once = Once(UnsafeCell::new(Some(closure)));

        Ok(self.queue(Work::new_arc(once, flags)?)?)
    }

    /// Returns something that can look at the thread without owning it.
    pub fn observer(&self) -> Observer {
        Observer::new(self.shared.clone())
    }
}

impl Drop for Worker {
    /// Lets run what is queued, and stops the thread.
    ///
    /// In a work of the worker itself this only lets go of the handle, and leaves the worker to its
    /// group.
    ///
    /// Sleeps.
    #[doc(alias = "kthread_destroy_worker")]
    fn drop(&mut self) {
        if !self.shared.core.is_current() {
            packet::reap(&*self.shared);
        }
    }
}

/// A closure that runs once.
struct Once<F>(UnsafeCell<Option<F>>);

// SAFETY: The closure is only accessed when the work runs, which one thread does, and before that
// nobody has a reference.
unsafe impl<F: Send> Sync for Once<F> {}

impl<F: FnOnce() + Send + 'static> WorkItem for Once<F> {
    fn run(this: Arc<Work<Self>>) {
        // SAFETY: The one reference to the work is `this`.
        if let Some(closure) = unsafe { (*this.0.get()).take() } {
            closure();
        }
    }
}

/// Returns a delay that does not wrap around to the past.
fn in_future(delay: Jiffies) -> Jiffies {
    // CAST: Half of the numbers are in the future; C's `MAX_JIFFY_OFFSET` is half of these.
    delay.min((c_long::MAX / 2) as Jiffies)
}

impl Builder<'_> {
    /// Creates a worker, and starts it.
    ///
    /// Context and errors are those of [`Builder::create`].
    #[doc(alias = "kthread_create_worker")]
    #[doc(alias = "kthread_run_worker")]
    #[doc(alias = "kthread_create_worker_on_cpu")]
    pub fn spawn_worker(self, group: &ThreadGroup) -> Result<Worker> {
        let name = self.name()?;
        let node = self.node()?;
        let members = group.members();
        let shared = Arc::pin_init(
            Shared::new(members.clone(), self.is_freezable()),
            GFP_KERNEL,
        )?;

        // INVARIANT: The table holds the worker before there is a task.
        members.insert(shared.clone())?;
        let undo = ScopeGuard::new(|| members.remove(shared.core.place()));

        // SAFETY: `worker_entry` expects a `Shared`, and this one stays valid until `kthread_stop()`
        // has returned, because the table of members holds it until then.
        unsafe {
            shared.core.fork(
                worker_entry,
                Arc::as_ptr(&shared).cast(),
                name.as_c_str()?,
                node,
            )?
        };
        undo.dismiss();
        // From here on an early return stops the task.
        let worker = Worker { shared };

        // SAFETY: `worker` keeps the task, which was created just now.
        unsafe { self.set_up(worker.shared.core.task().as_ptr())? };
        worker.shared.core.start();
        Ok(worker)
    }
}
