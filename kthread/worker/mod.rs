// SPDX-License-Identifier: GPL-2.0

//! Threads that run work items, one after the other.
//!
//! A [`Worker`] is a kernel thread with a queue of [`Work`]. In contrast to a workqueue, all its
//! items run in one thread, which has the name, placement and policy that a [`Builder`] gives it.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

mod gate;
mod pool;
mod raw;
mod work;

pub use self::{
    pool::WorkerPool,
    work::{
        impl_has_work_field,
        FieldItem,
        HasWorkField,
        Refusal,
        Refused,
        Work,
        WorkField,
        WorkItem,
        WorkOf,
        WorkPointer, //
    }, //
};

use self::raw::{
    Queued,
    RawWork,
    Shared, //
};
use super::{
    builder::Builder,
    context::Context,
    core::Core,
    errno::edeadlk,
    group::ThreadGroup,
    identity::Observer,
    lockdep::Site,
    members::Members,
    packet,
    sched::Policy,
    scope::{
        Scope,
        Scoped, //
    }, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    alloc::Flags,
    cpumask::Cpumask,
    prelude::*,
    sync::Arc,
    task::might_sleep,
    time::Jiffies, //
};

/// A kernel thread that runs [`Work`], one after the other, in the order in which it is queued.
///
/// A worker is a member of a [`ThreadGroup`]. Dropping it runs everything that is queued, and
/// discards work items whose delay has not expired. New items are refused, even from a running work
/// item. The running item is asked to stop: see [`WorkItem::run`].
///
/// A worker that is bound to one CPU by [`Placement::Cpu`] does not follow CPU hotplug.
///
/// Wraps `struct kthread_worker`. Unlike in C, a new worker has already been woken, so flushing it
/// does not hang.
///
/// # Examples
///
/// A work item that queues itself again:
///
/// ```
/// struct Poll {
///     worker: Arc<Worker>,
///     left: Atomic<usize>,
/// }
///
/// impl WorkItem for Poll {
///     fn run(this: &Arc<Work<Self>>, _ctx: &Context<'_>) {
///         if this.left.fetch_sub(1, Relaxed) > 1 {
///             // It does not continue when the worker is being stopped.
///             let _ = this.worker.queue_delayed(this.clone(), 1);
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
pub struct Worker<S = ()> {
    shared: Arc<Shared>,
    _scope: PhantomData<S>,
}

/// The handle of a worker of a [`Scope`], whose work items may borrow what outlives the scope.
pub type ScopedWorker<'scope> = Worker<Scoped<'scope>>;

/// Marks a `T` whose borrows outlive all workers of type `Worker<Self>`.
///
/// Nobody outside of this file can say so.
pub trait Outlived<T> {}

impl<T: 'static> Outlived<T> for () {}

impl<'scope, T: 'scope> Outlived<T> for Scoped<'scope> {}

impl<S> Worker<S> {
    pub(super) fn core(&self) -> &Core {
        self.shared.core()
    }

    /// Queues a work item.
    ///
    /// It may run before this returns. If it is already queued, or cannot be queued, it is given
    /// back.
    ///
    /// May be called from any context.
    ///
    /// Wraps `kthread_queue_work()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_queue_work")]
    pub fn queue<P: WorkPointer>(&self, work: P) -> Result<(), Refused<P>>
    where
        S: Outlived<P>,
    {
        // SAFETY: By the bounds, what the work item borrows outlives the worker.
        unsafe { self.insert(work, None) }
    }

    /// Queues a work item once `delay` jiffies have passed, or at once if that is zero.
    ///
    /// If it is already queued, or cannot be queued, it is given back.
    ///
    /// May be called from any context.
    ///
    /// Wraps `kthread_queue_delayed_work()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_queue_delayed_work")]
    pub fn queue_delayed<P: WorkPointer>(&self, work: P, delay: Jiffies) -> Result<(), Refused<P>>
    where
        S: Outlived<P>,
    {
        // SAFETY: By the bounds, what the work item borrows outlives the worker.
        unsafe { self.insert(work, Some(in_future(delay))) }
    }

    /// # Safety
    ///
    /// What `work` borrows must outlive the worker.
    unsafe fn insert<P: WorkPointer>(
        &self,
        work: P,
        delay: Option<Jiffies>,
    ) -> Result<(), Refused<P>> {
        // SAFETY: `admit` passes an item of this worker, which stays if it is queued. The caller
        // guarantees that its borrows outlive the worker.
        let refused = self.admit(work, |work| unsafe {
            self.shared.queue(work.dwork.get(), delay)
        })?;

        match refused {
            None => Ok(()),
            Some(work) => Err(Refused {
                work,
                reason: Refusal::Pending,
            }),
        }
    }

    /// Queues a work item once `delay` jiffies have passed, or at once if that is zero, even if it
    /// is queued or waits for the end of a delay.
    ///
    /// Returns the given reference if the item was queued or waiting, as the queue already has one.
    /// Of several callers the last one wins. If the item cannot be queued, it is given back.
    ///
    /// May be called from any context.
    ///
    /// Replaces `kthread_mod_delayed_work()`, which loses a work item whose timer expires during
    /// the call: see `kthread_delayed_work_timer_fn()` of
    /// [`kernel/kthread.c`](srctree/kernel/kthread.c), which drops an item that is being cancelled.
    #[doc(alias = "kthread_mod_delayed_work")]
    pub fn mod_delayed<P: WorkPointer>(
        &self,
        work: P,
        delay: Jiffies,
    ) -> Result<Option<P>, Refused<P>>
    where
        S: Outlived<P>,
    {
        // SAFETY: `admit` passes an item of this worker, which stays if it is queued. By the
        // bounds, its borrows outlive the worker.
        self.admit(work, |work| unsafe {
            self.shared.requeue(work.dwork.get(), in_future(delay))
        })
    }

    /// Passes a work item to `queue`, which may take the reference.
    ///
    /// Gives it back otherwise.
    fn admit<P: WorkPointer>(
        &self,
        work: P,
        queue: impl FnOnce(&RawWork) -> Queued,
    ) -> Result<Option<P>, Refused<P>> {
        let refuse = |work, reason| Err(Refused { work, reason });
        let Some(_inside) = self.shared.gate.enter() else {
            return refuse(work, Refusal::Stopped);
        };

        if self.shared.core().is_exiting() {
            return refuse(work, Refusal::Died);
        }
        // SAFETY: `WorkPointer` guarantees that the item is valid, and the first field of a
        // `RawWork`, as long as its reference.
        let raw = unsafe { &*work.as_ptr().cast::<RawWork>() };
        // INVARIANT: The item is queued below only if the worker is its owner.
        if !raw.claim(self.shared.id()) {
            return refuse(work, Refusal::OtherWorker);
        }
        // The item may run, and its reference be dropped, before `queue` returns.
        let work = work.into_raw();

        match queue(raw) {
            // INVARIANT: It is queued now, and the queue owns the reference.
            Queued::Inserted => Ok(None),
            // SAFETY: The queue has not taken the reference.
            Queued::Already => Ok(Some(unsafe { P::from_raw(work) })),
            // SAFETY: The queue has not taken the reference.
            Queued::Canceling => refuse(unsafe { P::from_raw(work) }, Refusal::Canceling),
        }
    }

    /// Removes a work item from the queue, or stops its timer, and waits until it no longer runs.
    ///
    /// Returns the reference of the queue if the item was queued.
    ///
    /// Sleeps. Fails with
    /// - [`EDEADLK`] if the caller is this work item,
    /// - [`ESRCH`] if the worker is being stopped, or has died.
    ///
    /// Replaces `kthread_cancel_delayed_work_sync()`, which loses a work item whose timer expires
    /// during the call, and then does not report that it was queued: see
    /// `kthread_delayed_work_timer_fn()` of [`kernel/kthread.c`](srctree/kernel/kthread.c), which
    /// drops an item that is being cancelled. That function also waits for ever if the work item
    /// dies, where this returns.
    #[doc(alias = "kthread_cancel_work_sync")]
    #[doc(alias = "kthread_cancel_delayed_work_sync")]
    pub fn cancel_sync<P: WorkPointer>(&self, work: &P) -> Result<Option<P>> {
        might_sleep();

        // SAFETY: `WorkPointer` guarantees that the item is valid, and the first field of a
        // `RawWork`, as long as `work`.
        let raw = unsafe { &*work.as_ptr().cast::<RawWork>() };
        if !raw.is_owned_by(self.shared.id()) {
            return Ok(None);
        }
        let dwork = raw.dwork.get();

        if self.shared.is_run_by_caller(dwork) {
            return Err(edeadlk());
        }
        if self.shared.core().is_exiting() {
            return Err(ESRCH);
        }
        // SAFETY: The item belongs to this worker, and is not the caller. `work` keeps it.
        if unsafe { self.shared.cancel_sync(dwork)? } {
            // SAFETY: The item was queued and no longer is, so this owns the reference that `admit`
            // gave to the queue.
            return Ok(Some(unsafe { P::from_raw(work.as_ptr()) }));
        }
        Ok(None)
    }

    /// Waits until all work items that are queued now have run.
    ///
    /// It does not wait for items whose delay has not expired.
    ///
    /// Sleeps. Fails with
    /// - [`EDEADLK`] if the caller is a work item of this worker,
    /// - [`ESRCH`] if the worker is being stopped, or has died.
    #[doc(alias = "kthread_flush_worker")]
    #[doc(alias = "kthread_flush_work")]
    pub fn flush(&self) -> Result {
        might_sleep();

        if self.shared.core().is_current() {
            return Err(edeadlk());
        }
        self.shared.core().map.wait();
        let _inside = self.shared.gate.enter().ok_or(ESRCH)?;

        self.shared.flush()
    }

    /// Calls `f` in the thread of the worker, after all work items that are queued now, and returns
    /// its result.
    ///
    /// The caller waits, so `f` may borrow from it, and nothing is allocated. A request to stop the
    /// caller does not end the wait. The context of `f` is that of [`WorkItem::run`].
    ///
    /// Sleeps. Fails with
    /// - [`EDEADLK`] if the caller is a work item of this worker,
    /// - [`ESRCH`] if the worker is being stopped, or has died, or dies in `f`.
    ///
    /// If it fails, `f` has been dropped without being called, unless the worker has died in it.
    ///
    /// In C this is a work item on the stack, `kthread_queue_work()` and `kthread_flush_work()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(bus: &Worker) -> Result {
    /// let mut reply = [0u8; 4];
    ///
    /// // The worker has a higher priority than this caller.
    /// let len = bus.call(|_ctx| {
    ///     reply[0] = 7;
    ///     1
    /// })?;
    /// pr_info!("received {:?}\n", &reply[..len]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "KTHREAD_WORK_INIT_ONSTACK")]
    #[doc(alias = "kthread_flush_work")]
    pub fn call<R: Send>(&self, f: impl FnOnce(&Context<'_>) -> R + Send) -> Result<R> {
        might_sleep();

        if self.shared.core().is_current() {
            return Err(edeadlk());
        }
        self.shared.core().map.wait();
        let _inside = self.shared.gate.enter().ok_or(ESRCH)?;

        if self.shared.core().is_exiting() {
            return Err(ESRCH);
        }
        self.shared.call(f)
    }

    /// Allocates a work item that calls `closure`, and queues it.
    ///
    /// May sleep, depending on `flags`. Fails with [`ENOMEM`], or [`ESRCH`] if the worker is being
    /// stopped. If it fails, `closure` has been dropped.
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn<F>(&self, flags: Flags, closure: F) -> Result
    where
        F: FnOnce(&Context<'_>) + Send,
        S: Outlived<F>,
    {
        let once = Once(UnsafeCell::new(Some(closure)));
        let work = Work::new_arc(once, flags)?;

        // SAFETY: By the bounds, what `closure` borrows outlives the worker.
        unsafe { self.insert(work, None)? };
        Ok(())
    }

    /// Changes how the thread of the worker is scheduled.
    ///
    /// Sleeps. Fails, and changes nothing, with
    /// - [`EINVAL`] and [`EPERM`] as in [`Thread::set_policy`],
    /// - [`ESRCH`] if the worker has been stopped, or has died.
    ///
    /// Wraps the same functions as [`Thread::set_policy`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(worker: &Worker) -> Result {
    /// worker.set_policy(Policy::Fifo)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Thread::set_policy`]: super::Thread::set_policy
    pub fn set_policy(&self, policy: Policy) -> Result {
        self.core().set_policy(policy)
    }

    /// Changes the nice value of the thread of the worker, and not its policy.
    ///
    /// Does not sleep. Fails with
    /// - [`EINVAL`] if `nice` is out of range,
    /// - [`ESRCH`] if the worker has been stopped, or has died.
    ///
    /// Wraps the same function as [`Thread::set_nice`].
    ///
    /// [`Thread::set_nice`]: super::Thread::set_nice
    pub fn set_nice(&self, nice: i32) -> Result {
        self.core().set_nice(nice)
    }

    /// Changes the CPUs of the worker, and returns once it has left all others.
    ///
    /// Context and errors are those of [`Thread::set_cpus`].
    ///
    /// [`Thread::set_cpus`]: super::Thread::set_cpus
    pub fn set_cpus(&self, mask: &Cpumask) -> Result {
        self.core().set_cpus(mask)
    }

    /// Returns an [`Observer`], which can look at the thread without owning it.
    pub fn observer(&self) -> Observer {
        Observer::new(self.shared.clone())
    }
}

impl<S> Drop for Worker<S> {
    /// Asks the running item to stop, runs the queued items, and stops the thread.
    ///
    /// In a work item of the worker itself this only drops the handle, and leaves the worker to its
    /// group.
    ///
    /// Sleeps.
    #[doc(alias = "kthread_destroy_worker")]
    fn drop(&mut self) {
        might_sleep();
        if !self.shared.core().is_current() {
            packet::reap(&*self.shared);
        }
    }
}

/// A closure that runs once.
struct Once<F>(UnsafeCell<Option<F>>);

// SAFETY: The closure is only accessed when the item runs, in one thread; before that nobody has a
// reference.
unsafe impl<F: Send> Sync for Once<F> {}

impl<F: FnOnce(&Context<'_>) + Send> WorkItem for Once<F> {
    fn run(this: &Arc<Work<Self>>, ctx: &Context<'_>) {
        // SAFETY: Only the queue has ever had a reference to the item, and it runs once.
        if let Some(closure) = unsafe { (*this.0.get()).take() } {
            closure(ctx);
        }
    }
}

/// Limits a delay so that it does not wrap around to the past.
fn in_future(delay: Jiffies) -> Jiffies {
    // CAST: Half of the values are in the future; `MAX_JIFFY_OFFSET` of C is half of these.
    delay.min((c_long::MAX / 2) as Jiffies)
}

impl Builder<'_> {
    /// Creates a worker, and starts it.
    ///
    /// Context and errors are those of [`Builder::create`], and [`EINVAL`] if signals are
    /// [allowed](Builder::allow), which nobody would take between two work items, or if the thread
    /// [parks itself](Builder::parks_itself), as a worker cannot be parked.
    #[doc(alias = "kthread_create_worker")]
    #[doc(alias = "kthread_run_worker")]
    #[doc(alias = "kthread_create_worker_on_cpu")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn_worker(&self, group: &ThreadGroup) -> Result<Worker> {
        // SAFETY: The work items of a `Worker<()>` borrow nothing.
        unsafe { self.spawn_worker_in(group.members(), Site::caller()) }
    }

    /// Creates a worker of a scope, and starts it.
    ///
    /// Its work items may borrow what outlives the scope. The end of the scope stops it, as
    /// dropping the handle does: queued items run, and items whose delay has not expired are
    /// dropped.
    ///
    /// Context and errors are those of [`Builder::spawn_worker`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::sync::atomic::{Atomic, Relaxed};
    /// let sum = Atomic::new(0u32);
    ///
    /// kthread::scope(|s| -> Result {
    ///     let adder = Builder::new(fmt!("adder")).spawn_scoped_worker(s)?;
    ///
    ///     for number in 1..=4 {
    ///         let sum = &sum;
    ///         adder.spawn(GFP_KERNEL, move |_ctx| _ = sum.fetch_add(number, Relaxed))?;
    ///     }
    ///     Ok(())
    /// })??;
    /// assert_eq!(sum.load(Relaxed), 10);
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn_scoped_worker<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<ScopedWorker<'scope>> {
        // SAFETY: Everything that the work items borrow outlives `'scope`, and so the call of
        // `scope()` that created the `Scope`. Before that returns, the worker has been reaped, and
        // nothing is queued any more.
        unsafe { self.spawn_worker_in(scope.members(), Site::caller()) }
    }

    /// # Safety
    ///
    /// Before a borrow of the work items of a `Worker<S>` ends, the worker must have been reaped.
    unsafe fn spawn_worker_in<S>(&self, members: &Arc<Members>, site: Site) -> Result<Worker<S>> {
        self.check_foreign()?;
        let birth = self.birth()?;
        let shared = Arc::pin_init(
            Shared::new(members.clone(), *birth.options, site),
            GFP_KERNEL,
        )?;
        // SAFETY: `core` is part of the worker, which stays where it is while the table holds it.
        let creation = unsafe { birth.create_member(members, shared.clone(), shared.core())? };
        let worker = Worker {
            shared,
            _scope: PhantomData,
        };
        // SAFETY: `worker` keeps the task alive. It has never been woken, and this runs once.
        let done = unsafe { self.set_up(worker.shared.core().task().as_ptr()) };

        if done.is_ok() {
            worker.shared.core().start();
        }
        // It has to have entered before it can be stopped. An early return stops the task.
        drop(creation);
        done.map(|()| worker)
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_worker)]
mod tests {
    use super::super::{
        core::Member,
        errno::edeadlk,
        kunit::*,
        *, //
    };
    use kernel::{
        cpu::CpuId,
        new_mutex,
        prelude::*,
        sync::{
            atomic::{
                Acquire,
                Atomic,
                Relaxed,
                Release, //
            },
            Arc,
            Mutex, //
        },
        time::{
            delay::fsleep,
            msecs_to_jiffies,
            Delta, //
        }, //
    };

    const ROUNDS: usize = 200;
    /// Long enough that a test that waited for it would be noticed.
    const HOUR: u32 = 3_600_000;

    fn worker(group: &ThreadGroup) -> Result<Worker> {
        Builder::new(fmt!("worker")).spawn_worker(group)
    }

    /// Counts runs, and drops.
    struct Counter {
        runs: Arc<Atomic<usize>>,
        drops: Arc<Atomic<usize>>,
    }

    impl Counter {
        fn work(counts: &Counts) -> Result<Arc<Work<Self>>> {
            let counter = Self {
                runs: counts.runs.clone(),
                drops: counts.drops.clone(),
            };

            Work::new_arc(counter, GFP_KERNEL)
        }
    }

    impl WorkItem for Counter {
        fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
            this.runs.fetch_add(1, Relaxed);
        }
    }

    impl Drop for Counter {
        fn drop(&mut self) {
            self.drops.fetch_add(1, Relaxed);
        }
    }

    struct Counts {
        runs: Arc<Atomic<usize>>,
        drops: Arc<Atomic<usize>>,
    }

    impl Counts {
        fn new() -> Result<Self> {
            Ok(Self {
                runs: Arc::new(Atomic::new(0), GFP_KERNEL)?,
                drops: Arc::new(Atomic::new(0), GFP_KERNEL)?,
            })
        }

        fn get(&self) -> (usize, usize) {
            (self.runs.load(Relaxed), self.drops.load(Relaxed))
        }
    }

    /// A work item that blocks the worker until it is released.
    struct Block {
        reached: Arc<Completion>,
        go: Arc<Completion>,
    }

    impl Block {
        fn new() -> Result<Self> {
            Ok(Self {
                reached: Arc::pin_init(Completion::new(), GFP_KERNEL)?,
                go: Arc::pin_init(Completion::new(), GFP_KERNEL)?,
            })
        }

        fn put(worker: &Worker) -> Result<Self> {
            let block = Self::new()?;
            let (reached, go) = (block.reached.clone(), block.go.clone());

            worker.spawn(GFP_KERNEL, move |_| {
                reached.complete();
                go.wait_for_completion();
            })?;
            block.reached.wait_for_completion();
            Ok(block)
        }
    }

    #[test]
    fn work_runs_in_the_order_in_which_it_is_queued() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let order = Arc::pin_init(new_mutex!(KVec::new()), GFP_KERNEL)?;

        for number in 0..100 {
            let order: Arc<Mutex<KVec<i32>>> = order.clone();
            worker.spawn(GFP_KERNEL, move |_| {
                let _ = order.lock().push(number, GFP_KERNEL);
            })?;
        }
        worker.flush()?;
        let order = order.lock();
        assert_eq!(order.len(), 100);
        assert!(order.iter().copied().eq(0..100));
        Ok(())
    }

    #[test]
    fn work_that_is_pending_is_given_back() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;
        let block = Block::put(&worker)?;

        assert!(worker.queue(work.clone()).is_ok());
        let refused = worker.queue(work.clone()).err().ok_or(EINVAL)?;
        assert_eq!(refused.reason, Refusal::Pending);
        assert!(worker.queue_delayed(refused.work, 1).is_err());
        block.go.complete();
        worker.flush()?;
        assert_eq!(counts.get(), (1, 0));
        // It can be queued again, and nobody else holds it in the end.
        assert!(worker.queue(work.clone()).is_ok());
        worker.flush()?;
        drop(work);
        assert_eq!(counts.get(), (2, 1));
        Ok(())
    }

    #[test]
    fn work_belongs_to_one_worker() -> Result {
        let group = group()?;
        let (one, other) = (worker(&group)?, worker(&group)?);
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;

        assert!(one.queue(work.clone()).is_ok());
        one.flush()?;
        for refused in [
            other.queue(work.clone()).err(),
            other.queue_delayed(work.clone(), 1).err(),
            other.mod_delayed(work.clone(), 1).err(),
        ] {
            assert_eq!(refused.ok_or(EINVAL)?.reason, Refusal::OtherWorker);
        }
        assert!(other.cancel_sync(&work)?.is_none());
        drop(work);
        assert_eq!(counts.get(), (1, 1));
        Ok(())
    }

    #[test]
    fn delayed_work_runs_later_or_sooner() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;

        assert!(worker
            .queue_delayed(work.clone(), msecs_to_jiffies(HOUR))
            .is_ok());
        worker.flush()?;
        assert_eq!(counts.get(), (0, 0));
        // It was pending, and runs at the next tick.
        assert!(matches!(worker.mod_delayed(work.clone(), 0), Ok(Some(_))));
        while counts.get().0 < 1 {
            fsleep(Delta::from_millis(1));
        }
        // It was not pending.
        assert!(matches!(worker.mod_delayed(work.clone(), 1), Ok(None)));
        while counts.get().0 < 2 {
            fsleep(Delta::from_millis(1));
        }
        assert!(worker.queue_delayed(work.clone(), 0).is_ok());
        worker.flush()?;
        // A delay that would wrap around never ends.
        assert!(worker.queue_delayed(work.clone(), usize::MAX).is_ok());
        fsleep(Delta::from_millis(20));
        assert_eq!(counts.get(), (3, 0));
        assert!(worker.cancel_sync(&work)?.is_some());
        drop(work);
        assert_eq!(counts.get(), (3, 1));
        Ok(())
    }

    #[test]
    fn cancelled_work_is_given_back_and_does_not_run() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;

        assert!(worker.cancel_sync(&work)?.is_none());
        for round in 0..ROUNDS {
            // Cancelled while it is queued, while it waits, and when its timer is about to fire.
            let queued = match round % 3 {
                0 => worker.queue(work.clone()),
                1 => worker.queue_delayed(work.clone(), msecs_to_jiffies(HOUR)),
                _ => worker.queue_delayed(work.clone(), 1),
            };
            assert!(queued.is_ok());
            if round % 3 == 2 {
                fsleep(Delta::from_millis(1));
            }
            let before = counts.get().0;
            let cancelled = worker.cancel_sync(&work)?.is_some();
            let after = counts.get().0;
            worker.flush()?;
            assert_eq!(counts.get().0, after);
            assert!(!cancelled || after == before);
        }
        drop(work);
        assert_eq!(counts.get().1, 1);
        Ok(())
    }

    #[test]
    fn to_cancel_waits_for_what_runs() -> Result {
        struct Slow(Block, Atomic<usize>);

        impl WorkItem for Slow {
            fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
                this.0.reached.complete();
                fsleep(Delta::from_millis(20));
                this.1.store(1, Relaxed);
            }
        }

        let group = group()?;
        let worker = worker(&group)?;
        let slow = Work::new_arc(Slow(Block::new()?, Atomic::new(0)), GFP_KERNEL)?;

        assert!(worker.queue(slow.clone()).is_ok());
        slow.0.reached.wait_for_completion();
        assert!(worker.cancel_sync(&slow)?.is_none());
        assert_eq!(slow.1.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn work_can_not_wait_for_itself() -> Result {
        struct Selfish {
            worker: Arc<Worker>,
            other: Arc<Work<Counter>>,
            done: Arc<Completion>,
        }

        impl WorkItem for Selfish {
            fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
                if this.worker.flush() == Err(edeadlk())
                    && this.worker.cancel_sync(this).err() == Some(edeadlk())
                    && matches!(this.worker.cancel_sync(&this.other), Ok(Some(_)))
                {
                    this.done.complete();
                }
            }
        }

        let group = group()?;
        let worker = Arc::new(worker(&group)?, GFP_KERNEL)?;
        let counts = Counts::new()?;
        let other = Counter::work(&counts)?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let selfish = Selfish {
            worker: worker.clone(),
            other: other.clone(),
            done: done.clone(),
        };

        assert!(worker.queue_delayed(other, msecs_to_jiffies(HOUR)).is_ok());
        assert!(worker.queue(Work::new_arc(selfish, GFP_KERNEL)?).is_ok());
        done.wait_for_completion();
        worker.flush()?;
        assert_eq!(counts.get(), (0, 1));
        Ok(())
    }

    #[test]
    fn a_worker_that_is_dropped_runs_what_is_queued_and_drops_what_is_not() -> Result {
        for _ in 0..ROUNDS {
            let group = group()?;
            let worker = worker(&group)?;
            let (queued, waiting) = (Counts::new()?, Counts::new()?);

            for _ in 0..3 {
                assert!(worker.queue(Counter::work(&queued)?).is_ok());
            }
            for delay in [msecs_to_jiffies(HOUR), 1, 1] {
                assert!(worker
                    .queue_delayed(Counter::work(&waiting)?, delay)
                    .is_ok());
            }
            drop(worker);
            assert_eq!(queued.get(), (3, 3));
            assert_eq!(waiting.get().1, 3);
            assert!(group.is_empty());
        }
        Ok(())
    }

    /// Queues itself for ever, in three ways.
    struct Again {
        worker: Arc<Mutex<Option<Arc<Worker>>>>,
        round: Atomic<usize>,
        counter: Counter,
    }

    impl WorkItem for Again {
        fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
            let worker = this.worker.lock().clone();

            this.counter.runs.fetch_add(1, Relaxed);
            if let Some(worker) = worker {
                let again = this.clone();
                let _ = match this.round.fetch_add(1, Relaxed) % 3 {
                    0 => worker.queue(again),
                    1 => worker.queue_delayed(again, 1),
                    _ => worker.mod_delayed(again, 0).map(|_| ()),
                };
            }
        }
    }

    fn again(worker: &Arc<Mutex<Option<Arc<Worker>>>>, counts: &Counts) -> Result {
        let again = Again {
            worker: worker.clone(),
            round: Atomic::new(0),
            counter: Counter {
                runs: counts.runs.clone(),
                drops: counts.drops.clone(),
            },
        };

        if let Some(worker) = worker.lock().as_ref() {
            worker.queue(Work::new_arc(again, GFP_KERNEL)?)?;
        }
        Ok(())
    }

    #[test]
    fn a_group_stops_a_worker_that_was_leaked_with_work_that_queues_itself() -> Result {
        for _ in 0..ROUNDS / 10 {
            let group = group()?;
            let counts = Counts::new()?;
            let worker = Arc::new(worker(&group)?, GFP_KERNEL)?;
            let slot = Arc::pin_init(new_mutex!(Some(worker.clone())), GFP_KERNEL)?;

            for _ in 0..5 {
                again(&slot, &counts)?;
            }
            while counts.get().0 < 20 {
                fsleep(Delta::from_micros(100));
            }
            drop(group);
            // The queue holds none any more, and the worker takes none.
            assert_eq!(counts.get().1, 5);
            let refused = worker.queue(Counter::work(&counts)?).err();
            assert_eq!(refused.ok_or(EINVAL)?.reason, Refusal::Stopped);
            assert_eq!(worker.flush(), Err(ESRCH));
        }
        Ok(())
    }

    #[test]
    fn a_worker_that_is_dropped_by_its_own_work_is_left_to_its_group() -> Result {
        let group = group()?;
        let own = worker(&group)?;
        let slot = Arc::pin_init(new_mutex!(None::<Worker>), GFP_KERNEL)?;
        let taken = slot.clone();
        let block = Block::put(&own)?;

        own.spawn(GFP_KERNEL, move |_| drop(taken.lock().take()))?;
        *slot.lock() = Some(own);
        block.go.complete();
        while slot.lock().is_some() {
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(group.len(), 1);
        drop(group);
        Ok(())
    }

    #[test]
    fn a_worker_runs_where_and_how_its_builder_says() -> Result {
        let group = group()?;
        let cpu = kernel::cpu::nr_cpu_ids() - 1;
        let worker = Builder::new(fmt!("last-cpu/{cpu}"))
            .placement(Placement::Cpu(CpuId::from_u32(cpu).ok_or(EINVAL)?))
            .policy(Policy::FifoLow)
            .freezable(true)
            .spawn_worker(&group)?;
        let ran_on = Arc::new(Atomic::new(u32::MAX), GFP_KERNEL)?;
        let here = ran_on.clone();

        worker.spawn(GFP_KERNEL, move |_| {
            here.store(CpuId::current().as_u32(), Relaxed)
        })?;
        worker.flush()?;
        assert_eq!(ran_on.load(Relaxed), cpu);
        let seen = seen(worker.core());
        assert!(seen.is_fifo());
        assert_eq!(seen.nofreeze, !cfg!(CONFIG_FREEZER));
        let node = Builder::new(fmt!("nowhere")).placement(Placement::Node(u32::MAX));
        assert_eq!(node.spawn_worker(&group).err(), Some(ENODEV));
        Ok(())
    }

    #[test]
    fn cancel_and_queue_race_from_many_threads() -> Result {
        let counts = Counts::new()?;

        {
            let group = group()?;
            let worker = worker(&group)?;
            let work = Counter::work(&counts)?;

            scope(|s| -> Result {
                for way in 0..4 {
                    let (worker, work) = (&worker, &work);
                    ::core::mem::forget(s.spawn(fmt!("racer-{way}"), move |ctx| {
                        while !ctx.should_stop() {
                            match way {
                                0 => drop(worker.queue(work.clone())),
                                1 => drop(worker.queue_delayed(work.clone(), 1)),
                                2 => drop(worker.mod_delayed(work.clone(), 1)),
                                _ => drop(worker.cancel_sync(work)),
                            }
                            pause();
                        }
                    })?);
                }
                fsleep(Delta::from_millis(2000));
                Ok(())
            })??;
        }
        // In all cases the item is dropped once.
        assert_eq!(counts.get().1, 1);
        Ok(())
    }

    #[test]
    fn the_last_of_those_who_change_a_delay_wins() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;
        let round = Atomic::new(0usize);
        let answers = [Atomic::new(0usize), Atomic::new(0usize)];

        scope(|s| -> Result {
            for (number, answer) in answers.iter().enumerate() {
                let (worker, work, round) = (&worker, &work, &round);

                s.spawn(fmt!("modifier-{number}"), move |ctx| {
                    let mut seen = 0;

                    while !ctx.should_stop() {
                        let now = round.load(Acquire);
                        if now == seen {
                            ctx.yield_point();
                            continue;
                        }
                        seen = now;
                        // A delay of an hour, and one of a tick, or none.
                        let delay = match (number, now % 2) {
                            (0, _) => msecs_to_jiffies(HOUR),
                            (_, 0) => 1,
                            _ => 0,
                        };
                        let answer_is = match worker.mod_delayed(work.clone(), delay) {
                            Ok(None) => 1,
                            Ok(Some(_)) => 2,
                            Err(_) => 3,
                        };
                        answer.store(answer_is, Release);
                    }
                })?
                .detach();
            }
            for _ in 0..ROUNDS * 2 {
                for answer in &answers {
                    answer.store(0, Relaxed);
                }
                round.fetch_add(1, Release);
                assert!(eventually(|| answers.iter().all(|a| a.load(Acquire) != 0)));
                // Both calls succeeded. The second found the item queued, or that it had already
                // run.
                assert!(answers.iter().all(|answer| answer.load(Relaxed) < 3));
                assert!(answers.iter().any(|answer| answer.load(Relaxed) == 1));
                // The next call is the last.
                let before = counts.get().0;
                assert!(worker.mod_delayed(work.clone(), 0).is_ok());
                worker.flush()?;
                assert!(counts.get().0 > before);
                assert!(worker.cancel_sync(&work)?.is_none());
            }
            Ok(())
        })??;
        drop((worker, work));
        assert_eq!(counts.get().1, 1);
        Ok(())
    }

    /// Looks for its own address among new work items.
    struct Recycled {
        worker: Arc<Worker>,
        done: Arc<Completion>,
        wrong: Arc<Atomic<usize>>,
        is_first: bool,
    }

    impl WorkItem for Recycled {
        fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
            if !this.is_first {
                return;
            }
            let mut others = KVec::new();

            for _ in 0..500 {
                let new = Recycled {
                    worker: this.worker.clone(),
                    done: this.done.clone(),
                    wrong: this.wrong.clone(),
                    is_first: false,
                };
                let Ok(new) = Work::new_arc(new, GFP_KERNEL) else {
                    break;
                };
                let _ = this
                    .worker
                    .queue_delayed(new.clone(), msecs_to_jiffies(HOUR));
                // This item has never run.
                if !matches!(this.worker.cancel_sync(&new), Ok(Some(_))) {
                    this.wrong.fetch_add(1, Relaxed);
                }
                let _ = others.push(new, GFP_KERNEL);
            }
            this.done.complete();
        }
    }

    #[test]
    fn a_work_is_not_taken_for_one_that_has_run() -> Result {
        let group = group()?;
        let worker = Arc::new(worker(&group)?, GFP_KERNEL)?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let wrong = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        for _ in 0..20 {
            let first = Recycled {
                worker: worker.clone(),
                done: done.clone(),
                wrong: wrong.clone(),
                is_first: true,
            };
            // The queue has the only reference.
            worker.queue(Work::new_arc(first, GFP_KERNEL)?)?;
            done.wait_for_completion();
        }
        assert_eq!(wrong.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn who_calls_a_worker_borrows_and_gets_the_value() -> Result {
        let group = group()?;
        let worker = Builder::new(fmt!("called"))
            .policy(Policy::FifoLow)
            .spawn_worker(&group)?;
        let counts = Counts::new()?;
        let mut pushed = KVec::new();

        for round in 0..ROUNDS {
            worker.queue(Counter::work(&counts)?)?;
            let runs = worker.call(|ctx| {
                // All that was queued before has run, and this is the worker.
                let is_it = worker.core().is_current() && seen(ctx.core()).is_fifo();

                pushed.push(round, GFP_KERNEL)?;
                Ok::<_, Error>((counts.runs.load(Relaxed), is_it))
            })??;
            assert_eq!(runs, (round + 1, true));
        }
        assert!(pushed.iter().copied().eq(0..ROUNDS));
        // A value that owns something is dropped once, by the caller.
        let counted = worker.call(|_| Counted(counts.drops.clone()))?;
        assert_eq!(counts.drops.load(Relaxed), ROUNDS);
        drop(counted);
        assert_eq!(counts.drops.load(Relaxed), ROUNDS + 1);
        Ok(())
    }

    #[test]
    fn a_call_of_a_worker_that_can_not_run_it_is_refused() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let worker = Arc::new(worker(&group.lock())?, GFP_KERNEL)?;
        let drops = count()?;

        // By the item that the worker runs, in each way.
        let own = worker.clone();
        let counted = Counted(drops.clone());
        let refused = worker.call(|_| {
            own.call(move |_| {
                let _counted = &counted;
            })
        })?;
        assert_eq!(refused, Err(edeadlk()));
        assert_eq!(drops.load(Relaxed), 1);
        let (own, told) = (worker.clone(), drops.clone());
        worker.spawn(GFP_KERNEL, move |_| {
            told.fetch_add(usize::from(own.call(|_| ()) == Err(edeadlk())), Relaxed);
        })?;
        worker.flush()?;
        assert_eq!(drops.load(Relaxed), 2);

        group.lock().stop_all();
        let counted = Counted(drops.clone());
        let refused = worker.call(move |_| {
            let _counted = &counted;
        });
        assert_eq!(refused, Err(ESRCH));
        assert_eq!(drops.load(Relaxed), 3);
        Ok(())
    }

    #[test]
    fn calls_run_or_are_refused_while_their_worker_is_dropped() -> Result {
        let group = group()?;

        for _ in 0..ROUNDS / 10 {
            let mut group_of_one = self::group()?;
            let worker = worker(&group_of_one)?;
            let (runs, drops) = (count()?, count()?);
            let (ran, dropped) = (runs.clone(), drops.clone());
            let caller = group.spawn(fmt!("calls"), move |_| {
                let mut done = 0;
                loop {
                    let counted = Counted(dropped.clone());
                    let call = worker.call(|ctx| {
                        ran.fetch_add(1, Relaxed);
                        drop(counted);
                        // The stop ends an interruptible sleep.
                        ctx.should_stop()
                    });
                    match call {
                        Ok(_) => done += 1,
                        Err(error) => return (done, error),
                    }
                }
            })?;

            assert!(eventually(|| runs.load(Relaxed) > 2));
            group_of_one.stop_all();
            let (done, error) = caller.join()?;
            assert_eq!(error, ESRCH);
            assert_eq!((done, done + 1), (runs.load(Relaxed), drops.load(Relaxed)));
        }
        Ok(())
    }

    #[test]
    fn works_of_a_scope_borrow_and_are_done_when_it_ends() -> Result {
        /// Counts with a borrowed counter.
        struct Borrows<'a>(&'a Atomic<usize>, &'a Atomic<usize>);

        impl WorkItem for Borrows<'_> {
            fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
                this.0.fetch_add(1, Relaxed);
            }
        }

        impl Drop for Borrows<'_> {
            fn drop(&mut self) {
                self.1.fetch_add(1, Relaxed);
            }
        }

        for is_leaked in [false, true] {
            for _ in 0..ROUNDS / 10 {
                let (runs, drops) = (Atomic::new(0), Atomic::new(0));

                scope(|s| -> Result {
                    let worker = Builder::new(fmt!("scoped")).spawn_scoped_worker(s)?;
                    let work = || Work::new_arc(Borrows(&runs, &drops), GFP_KERNEL);

                    worker.queue(work()?)?;
                    worker.queue_delayed(work()?, msecs_to_jiffies(HOUR))?;
                    let changed = work()?;
                    worker.queue_delayed(changed.clone(), msecs_to_jiffies(HOUR))?;
                    worker.mod_delayed(changed.clone(), 0)?;
                    let cancelled = work()?;
                    worker.queue_delayed(cancelled.clone(), msecs_to_jiffies(HOUR))?;
                    assert!(worker.cancel_sync(&cancelled)?.is_some());
                    worker.spawn(GFP_KERNEL, |_| _ = runs.fetch_add(1, Relaxed))?;
                    assert_eq!(worker.call(|_| runs.load(Relaxed)), Ok(3));
                    worker.queue(work()?)?;
                    if is_leaked {
                        ::core::mem::forget(worker);
                    }
                    Ok(())
                })??;
                assert_eq!((runs.load(Relaxed), drops.load(Relaxed)), (4, 5));
            }
        }
        Ok(())
    }

    const FIRST: u64 = 0;
    const SECOND: u64 = 1;

    /// Has two work items.
    #[pin_data]
    struct Twice {
        counts: [Count; 2],
        _counted: Counted,
        // This keeps both work items away from the beginning.
        #[pin]
        first: WorkField<Twice, FIRST>,
        #[pin]
        second: WorkField<Twice, SECOND>,
    }

    impl_has_work_field! { Twice { FIRST: first, SECOND: second } }

    impl Twice {
        fn new(drops: &Count) -> Result<Arc<Self>> {
            Arc::try_pin_init(
                try_pin_init!(Self {
                    counts: [count()?, count()?],
                    _counted: Counted(drops.clone()),
                    first <- WorkField::new(),
                    second <- WorkField::new(),
                }),
                GFP_KERNEL,
            )
        }

        fn runs(&self) -> (usize, usize) {
            (self.counts[0].load(Relaxed), self.counts[1].load(Relaxed))
        }
    }

    impl FieldItem<FIRST> for Twice {
        fn run(this: &Arc<Self>, _: &Context<'_>) {
            this.counts[0].fetch_add(1, Relaxed);
        }
    }

    impl FieldItem<SECOND> for Twice {
        fn run(this: &Arc<Self>, _: &Context<'_>) {
            this.counts[1].fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn works_in_one_struct_are_queued_apart_and_keep_it() -> Result {
        let group = group()?;
        let (worker, other) = (worker(&group)?, worker(&group)?);
        let drops = count()?;

        let twice = Twice::new(&drops)?;
        let first = || WorkOf::<_, FIRST>(twice.clone());
        let second = || WorkOf::<_, SECOND>(twice.clone());

        worker.queue(first())?;
        other.queue(second())?;
        worker.flush()?;
        other.flush()?;
        assert_eq!(twice.runs(), (1, 1));
        // Each item has its own worker, is queued once, and is changed and cancelled separately.
        let stranger = worker.queue(second());
        assert_eq!(
            stranger.err().map(|refused| refused.reason),
            Some(Refusal::OtherWorker)
        );
        worker.queue_delayed(first(), msecs_to_jiffies(HOUR))?;
        other.queue_delayed(second(), msecs_to_jiffies(HOUR))?;
        let again = worker.queue(first());
        assert_eq!(
            again.err().map(|refused| refused.reason),
            Some(Refusal::Pending)
        );
        assert!(worker.mod_delayed(first(), 0)?.is_some());
        worker.flush()?;
        assert!(worker.cancel_sync(&first())?.is_none());
        assert!(worker.cancel_sync(&second())?.is_none());
        assert!(other.cancel_sync(&second())?.is_some());
        assert_eq!(twice.runs(), (2, 1));

        // Only queued and waiting items keep it, until they have run or their worker is gone.
        worker.queue(first())?;
        other.queue_delayed(second(), msecs_to_jiffies(HOUR))?;
        let counts = twice.counts.clone();
        drop(twice);
        worker.flush()?;
        assert_eq!(counts[0].load(Relaxed), 3);
        assert_eq!(drops.load(Relaxed), 0);
        drop(other);
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(counts[1].load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_work_of_a_worker_that_is_gone_is_not_that_of_the_next() -> Result {
        let group = group()?;
        let counts = Counts::new()?;

        for _ in 0..20 {
            let work = Counter::work(&counts)?;
            let old = worker(&group)?;
            old.queue(work.clone())?;
            drop(old);
            // It may have the address of the old one.
            let new = worker(&group)?;
            let refused = new.queue(work).err().ok_or(EINVAL)?;
            assert_eq!(refused.reason, Refusal::OtherWorker);
        }
        assert_eq!(counts.get(), (20, 20));
        Ok(())
    }

    #[test]
    fn a_work_that_is_being_cancelled_says_so() -> Result {
        struct Again {
            worker: Arc<Worker>,
            block: Block,
            refused: Arc<Atomic<usize>>,
        }

        impl WorkItem for Again {
            fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
                this.block.reached.complete();
                this.block.go.wait_for_completion();
                // It is cancelled by now, or about to be.
                let refused = |queued: Result<(), Refused<Arc<Work<Self>>>>| {
                    queued.is_err_and(|refused| refused.reason == Refusal::Canceling)
                };
                if eventually(|| refused(this.worker.queue(this.clone()))) {
                    this.refused.fetch_add(1, Relaxed);
                }
                if refused(this.worker.mod_delayed(this.clone(), 0).map(|_| ())) {
                    this.refused.fetch_add(1, Relaxed);
                }
            }
        }

        let group = group()?;
        let worker = Arc::new(worker(&group)?, GFP_KERNEL)?;
        let refused = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let work = Again {
            worker: worker.clone(),
            block: Block::new()?,
            refused: refused.clone(),
        };
        let work = Work::new_arc(work, GFP_KERNEL)?;

        worker.queue(work.clone())?;
        work.block.reached.wait_for_completion();
        work.block.go.complete();
        let _ = worker.cancel_sync(&work)?;
        assert_eq!(refused.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_work_sees_that_its_worker_is_to_stop() -> Result {
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;

        for way in 0..4 {
            let group = group()?;
            let worker = worker(&group)?;
            let (seen, began) = (
                Counts::new()?,
                Arc::pin_init(Completion::new(), GFP_KERNEL)?,
            );
            let (runs, begun, waits) = (seen.runs.clone(), began.clone(), never.clone());

            // The second begins after the worker has been asked.
            for number in 0..2 {
                let (runs, begun, waits) = (runs.clone(), begun.clone(), waits.clone());
                worker.spawn(GFP_KERNEL, move |ctx| {
                    let is_early = number == 0 && ctx.should_stop();

                    begun.complete();
                    let ended = match way % 2 {
                        0 => waits.wait_interruptible().is_err(),
                        _ => ctx.wait_timeout(Delta::from_secs(3600)) == Wake::Stop,
                    };
                    if ended && ctx.should_stop() && !is_early {
                        runs.fetch_add(1, Relaxed);
                    }
                })?;
            }
            began.wait_for_completion();
            match way < 2 {
                true => drop(worker),
                false => {
                    ::core::mem::forget(worker);
                    drop(group);
                }
            }
            assert_eq!(seen.get().0, 2);
        }
        Ok(())
    }

    #[test]
    fn a_worker_that_has_been_asked_sleeps_until_it_is_stopped() -> Result {
        let mut group = group()?;
        let worker = worker(&group)?;
        let observer = worker.shared.clone();
        let (began, never) = (
            Arc::pin_init(Completion::new(), GFP_KERNEL)?,
            Arc::pin_init(Completion::new(), GFP_KERNEL)?,
        );
        let (begun, ended) = (began.clone(), count()?);
        let seen = ended.clone();

        worker.spawn(GFP_KERNEL, move |_| {
            begun.complete();
            let _ = never.wait_interruptible();
            ended.fetch_add(1, Relaxed);
        })?;
        began.wait_for_completion();
        // It is waited for before the worker, and ends when the worker is off its CPU.
        let watcher = group.spawn(fmt!("watches"), move |ctx| {
            until_stopped(ctx);
            // Its wait ends, and it has nothing to do.
            let has_ended = eventually(|| seen.load(Relaxed) == 1);

            (has_ended, sleeps(observer.core().task()))
        })?;
        group.stop_all();
        assert_eq!(watcher.join(), Ok((true, true)));
        drop(worker);
        Ok(())
    }

    #[test]
    fn a_worker_that_has_been_asked_sleeps_after_each_work() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let asked = count()?;

        // It has nothing to do yet.
        worker.shared.request_stop();
        for round in 1..=3 {
            let seen = asked.clone();

            worker.spawn(GFP_KERNEL, move |ctx| {
                seen.fetch_add(usize::from(ctx.should_stop()), Relaxed);
            })?;
            worker.flush()?;
            assert!(sleeps(worker.shared.core().task()));
            assert_eq!(asked.load(Relaxed), round);
        }
        Ok(())
    }

    #[test]
    fn a_worker_that_is_asked_when_its_work_is_done_sleeps() -> Result {
        let group = group()?;
        let here = Placement::Cpu(CpuId::from_u32(0).ok_or(EINVAL)?);
        let worker = Builder::new(fmt!("worker"))
            .placement(here)
            .spawn_worker(&group)?;

        scope(|s| -> Result {
            // Where the kernel can be preempted, this goes on while the worker is in what wakes it.
            let asks = Builder::new(fmt!("asks"))
                .placement(here)
                .policy(Policy::Fifo)
                .spawn_scoped(s, |_| -> Result {
                    worker.flush()?;
                    worker.shared.request_stop();
                    Ok(())
                })?;

            asks.join()?
        })??;
        assert!(sleeps(worker.shared.core().task()));
        worker.flush()?;
        assert!(sleeps(worker.shared.core().task()));
        Ok(())
    }
}
