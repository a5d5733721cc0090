// SPDX-License-Identifier: GPL-2.0

//! Work items.

use super::{
    super::{
        context::Context,
        errno::ecanceled,
        ffi::{
            clear_notify_signal,
            set_notify_signal, //
        },
        lockdep::Site, //
    },
    raw::{
        RawWork,
        Shared, //
    }, //
};
use core::ops::Deref;
use kernel::{
    alloc::Flags,
    bindings,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// What a [`Work`] does when it runs.
pub trait WorkItem: Send + Sync + Sized + 'static {
    /// Does the work.
    ///
    /// Runs in the thread of the worker, and may sleep. The work may be queued again, by others as
    /// well as by this function, from the moment that this is called. It is not freed before this
    /// returns.
    ///
    /// By `ctx` this sees that the worker is to stop, waits for no longer than that, and uses the
    /// address space of a process. When the worker is to stop, interruptible sleeps in this end,
    /// whoever's they are. The work that is queued by then runs all the same.
    fn run(this: &Arc<Work<Self>>, ctx: &Context<'_>);
}

/// What the worker calls for a `Work<T>`.
///
/// # Safety
///
/// Must only be called by kthread_worker, for a work that it has taken from its queue.
unsafe extern "C" fn run<T: WorkItem>(work: *mut bindings::kthread_work) {
    // SAFETY: The work runs, so that C has set its worker, which is part of a `Shared` whose task
    // this is.
    let shared = unsafe { Shared::of((*work).worker) };
    // The reference is kept until the work has run. As long as it runs, the address of the work is
    // what tells it from others, here as in C.
    //
    // SAFETY: By the type invariants of `RawWork` the queue owned a reference, which is this
    // function's, as the work has left the queue.
    let work = unsafe { Arc::from_raw(work.cast::<Work<T>>()) };
    // SAFETY: This is the task of the worker, and the context does not leave this function.
    let context = unsafe { Context::new(shared.core()) };
    let held = shared.core().map.hold();

    if shared.core().stop_requested() {
        set_notify_signal(shared.core().task());
    }
    T::run(&work, &context);
    drop(work);
    drop(held);
    if shared.core().stop_requested() {
        // `kthread_worker_fn()` sleeps interruptibly, and would not sleep any more.
        clear_notify_signal();
    }
}

/// Drops the reference of the queue.
///
/// # Safety
///
/// `work` must be that of a `Work<T>` and have been taken from its queue without being run.
unsafe fn release<T: WorkItem>(work: *mut bindings::kthread_work) {
    // SAFETY: By the type invariants of `RawWork` the queue owned a reference, which is this
    // function's by its requirements.
    drop(unsafe { Arc::from_raw(work.cast::<Work<T>>()) });
}

/// A work item: something to be done by a [`Worker`](super::Worker), at once or after a delay.
///
/// It derefs to the `T` that it does it with. One that is in an [`Arc`] can be queued. From then on
/// it belongs to that worker for good.
///
/// There is one type for `struct kthread_work` and `struct kthread_delayed_work`: the C functions
/// for the latter work for both, and those for the former go wrong with a delayed work, when they
/// cancel or flush it.
///
/// # Examples
///
/// ```
/// struct Greeting(&'static str);
///
/// impl WorkItem for Greeting {
///     fn run(this: &Arc<Work<Self>>, _ctx: &Context<'_>) {
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
    pub(super) raw: RawWork,
    #[pin]
    value: T,
}

impl<T: WorkItem> Work<T> {
    /// Creates an initialiser for a work that is not queued.
    #[doc(alias = "kthread_init_work")]
    #[doc(alias = "kthread_init_delayed_work")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn new(value: impl PinInit<T>) -> impl PinInit<Self> {
        let site = Site::caller();

        pin_init!(Self {
            // SAFETY: Both are instantiated for the type of the work, whose first field this is.
            raw <- unsafe { RawWork::new(run::<T>, release::<T>, site) },
            value <- value,
        })
    }

    /// Allocates a work that is not queued.
    ///
    /// May sleep, as `flags` say. Fails with [`ENOMEM`].
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
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
    /// It is queued already, and will run.
    Pending,
    /// Someone cancels it, and waits until it does not run any more, or has just done so.
    Canceling,
    /// It belongs to another worker.
    OtherWorker,
    /// The worker is being stopped.
    Stopped,
    /// The worker has died. What was queued when it did is dropped with it, and does not run.
    Died,
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
            Refusal::Canceling => ecanceled(),
            Refusal::OtherWorker => EINVAL,
            Refusal::Stopped | Refusal::Died => ESRCH,
        }
    }
}
