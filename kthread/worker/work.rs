// SPDX-License-Identifier: GPL-2.0

//! Work items.

use super::{
    super::{
        context::Context,
        errno::ecanceled,
        lockdep::Site, //
    },
    raw::{
        RawWork,
        Shared, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    alloc::Flags,
    bindings,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// The function of a [`Work`].
pub trait WorkItem: Send + Sync + Sized {
    /// Called when the work item runs.
    ///
    /// Runs in the thread of the worker, and may sleep. The item may be queued again, by others or
    /// by this function, as soon as this is called. It is not freed before this returns.
    ///
    /// `ctx` shows whether the worker has been asked to stop, provides waits that end then, and can
    /// use the address space of a process. A request to stop the worker ends all interruptible
    /// sleeps in this function. Items that are already queued still run.
    fn run(this: &Arc<Work<Self>>, ctx: &Context<'_>);
}

/// A reference that a [`Worker`] can queue, to an object that contains a work item.
///
/// There are two kinds: the [`Arc`] of a [`Work`], and [`WorkOf`].
///
/// # Safety
///
/// - The pointer is to a work item that [`Work::new`] or [`WorkField::new`] has initialised for
///   this type of reference.
/// - While such a reference exists, its target is valid and does not move.
///
/// [`Worker`]: super::Worker
pub unsafe trait WorkPointer: Send + Sized {
    /// Returns the pointer.
    fn as_ptr(&self) -> *mut bindings::kthread_work;

    /// Turns the reference into the pointer, which owns it from here on.
    fn into_raw(self) -> *mut bindings::kthread_work {
        let this = ManuallyDrop::new(self);

        this.as_ptr()
    }

    /// Turns the pointer back into the reference.
    ///
    /// # Safety
    ///
    /// `work` must come from [`WorkPointer::into_raw`], and this must be called at most once for
    /// each such call.
    unsafe fn from_raw(work: *mut bindings::kthread_work) -> Self;

    /// Runs the work item.
    fn run(&self, ctx: &Context<'_>);
}

/// The function that the worker calls for a work item.
///
/// # Safety
///
/// Must only be called by kthread_worker, for the work item of a `P` that it has taken from its
/// queue.
unsafe extern "C" fn run<P: WorkPointer>(work: *mut bindings::kthread_work) {
    // SAFETY: The item is running, so C has set its worker, which is part of the `Shared` of this
    // task.
    let shared = unsafe { Shared::of((*work).worker) };
    // The reference is kept until the item has run. While it runs, its address identifies it, here
    // as in C.
    //
    // SAFETY: By the type invariants of `RawWork` the queue owned a reference, which now belongs to
    // this function, as the item has left the queue.
    let work = unsafe { P::from_raw(work) };

    // SAFETY: This is the task of the worker.
    unsafe {
        shared.run_for_users(|ctx| {
            work.run(ctx);
            drop(work);
        })
    };
}

/// Drops the reference of the queue.
///
/// # Safety
///
/// `work` must be that of a `P`, and must have been removed from its queue without running.
unsafe fn release<P: WorkPointer>(work: *mut bindings::kthread_work) {
    // SAFETY: By the type invariants of `RawWork` the queue owned a reference. The caller
    // guarantees that the item left the queue without running, so this owns it.
    drop(unsafe { P::from_raw(work) });
}

/// A work item, which a [`Worker`](super::Worker) runs at once or after a delay.
///
/// It dereferences to its `T`. A work item is queued as an [`Arc`]; the first worker that queues it
/// owns it permanently.
///
/// One type replaces `struct kthread_work` and `struct kthread_delayed_work`: the C functions for
/// the latter handle both, while those for the former fail to cancel or flush a delayed work item.
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
    // The first field, so a pointer to the work item is a pointer to this.
    #[pin]
    raw: RawWork,
    #[pin]
    value: T,
}

impl<T: WorkItem> Work<T> {
    /// Creates an initialiser for a work item that is not queued.
    #[doc(alias = "kthread_init_work")]
    #[doc(alias = "kthread_init_delayed_work")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn new(value: impl PinInit<T>) -> impl PinInit<Self> {
        let site = Site::caller();

        pin_init!(Self {
            // SAFETY: Both functions are instantiated for the type whose first field this is.
            raw <- unsafe { RawWork::new(run::<Arc<Self>>, release::<Arc<Self>>, site) },
            value <- value,
        })
    }

    /// Allocates a work item that is not queued.
    ///
    /// May sleep, depending on `flags`. Fails with [`ENOMEM`].
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

// SAFETY: An `Arc` keeps its target, which is pinned. The work item is its first field, and
// `Work::new` has initialised it for this type.
unsafe impl<T: WorkItem> WorkPointer for Arc<Work<T>> {
    fn as_ptr(&self) -> *mut bindings::kthread_work {
        Arc::as_ptr(self).cast_mut().cast()
    }

    unsafe fn from_raw(work: *mut bindings::kthread_work) -> Self {
        // SAFETY: The caller guarantees a pointer from `into_raw`, which is used once.
        unsafe { Arc::from_raw(work.cast::<Work<T>>()) }
    }

    fn run(&self, ctx: &Context<'_>) {
        T::run(self, ctx);
    }
}

/// A work item that is a field of a struct, which can have several.
///
/// `ID` distinguishes them: for each one, the struct implements [`FieldItem`]. The struct is queued
/// as a [`WorkOf`] with the `ID` of the field, which [`impl_has_work_field!`] assigns.
///
/// The first worker that queues a field owns it permanently; different fields can have different
/// workers. A field that is queued or running keeps the whole struct.
///
/// # Examples
///
/// A device that is polled and reset by one worker:
///
/// ```
/// const POLL: u64 = 0;
/// const RESET: u64 = 1;
///
/// #[pin_data]
/// struct Device {
///     errors: Atomic<usize>,
///     #[pin]
///     poll: WorkField<Device, POLL>,
///     #[pin]
///     reset: WorkField<Device, RESET>,
/// }
///
/// impl_has_work_field! { Device { POLL: poll, RESET: reset } }
///
/// impl FieldItem<POLL> for Device {
///     fn run(this: &Arc<Self>, _ctx: &Context<'_>) {
///         this.errors.fetch_add(1, Relaxed);
///     }
/// }
///
/// impl FieldItem<RESET> for Device {
///     fn run(this: &Arc<Self>, _ctx: &Context<'_>) {
///         pr_info!("{} errors\n", this.errors.xchg(0, Relaxed));
///     }
/// }
///
/// # fn f(worker: &Worker) -> Result {
/// let device = Arc::pin_init(
///     pin_init!(Device {
///         errors: Atomic::new(0),
///         poll <- WorkField::new(),
///         reset <- WorkField::new(),
///     }),
///     GFP_KERNEL,
/// )?;
///
/// worker.queue(WorkOf::<_, POLL>(device.clone()))?;
/// worker.queue_delayed(WorkOf::<_, RESET>(device.clone()), msecs_to_jiffies(1000))?;
/// worker.cancel_sync(&WorkOf::<_, RESET>(device))?;
/// # Ok(())
/// # }
/// ```
///
/// [`impl_has_work_field!`]: crate::impl_has_work_field
#[pin_data]
#[repr(transparent)]
pub struct WorkField<T, const ID: u64> {
    #[pin]
    raw: RawWork,
    _of: PhantomData<fn(&T)>,
}

impl<T: FieldItem<ID>, const ID: u64> WorkField<T, ID> {
    /// Creates an initialiser for a work item that is not queued.
    #[doc(alias = "kthread_init_work")]
    #[doc(alias = "kthread_init_delayed_work")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn new() -> impl PinInit<Self> {
        let site = Site::caller();

        pin_init!(Self {
            // SAFETY: Both functions are instantiated for the one field that has this type.
            raw <- unsafe {
                RawWork::new(run::<WorkOf<T, ID>>, release::<WorkOf<T, ID>>, site)
            },
            _of: PhantomData,
        })
    }
}

/// Locates a [`WorkField`] in a struct.
///
/// # Safety
///
/// The struct must have a field of type `WorkField<Self, ID>` at this offset.
pub unsafe trait HasWorkField<const ID: u64>: Sized {
    /// The offset of the field, in bytes.
    const OFFSET: usize;
}

/// Implements [`HasWorkField`] for one field or several, each as `ID: field`.
///
/// [`HasWorkField`]: crate::kthread::HasWorkField
#[macro_export]
macro_rules! impl_has_work_field {
    ($type:ty { $($id:tt : $field:ident),* $(,)? }) => { $(
        // SAFETY: The field at the offset has this type, as the function below checks.
        unsafe impl $crate::kthread::HasWorkField<$id> for $type {
            const OFFSET: usize = {
                let _: fn(*mut $type) -> *mut $crate::kthread::WorkField<$type, $id> = |this| {
                    // SAFETY: This is never called.
                    unsafe { &raw mut (*this).$field }
                };

                ::core::mem::offset_of!($type, $field)
            };
        }
    )* };
}
pub use impl_has_work_field;

/// The function of a [`WorkField`].
pub trait FieldItem<const ID: u64>: HasWorkField<ID> + Send + Sync {
    /// Called when the work item runs, as described for [`WorkItem::run`].
    fn run(this: &Arc<Self>, ctx: &Context<'_>);
}

/// A reference to one of the work items of a struct.
pub struct WorkOf<T, const ID: u64>(pub Arc<T>);

impl<T, const ID: u64> Clone for WorkOf<T, ID> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

// SAFETY: An `Arc` keeps its target, which is pinned. `HasWorkField` guarantees the place of the
// work item, and `WorkField::new` has initialised it for this type.
unsafe impl<T: FieldItem<ID>, const ID: u64> WorkPointer for WorkOf<T, ID> {
    fn as_ptr(&self) -> *mut bindings::kthread_work {
        // SAFETY: The field is part of the target of the `Arc`.
        unsafe { Arc::as_ptr(&self.0).cast_mut().byte_add(T::OFFSET).cast() }
    }

    unsafe fn from_raw(work: *mut bindings::kthread_work) -> Self {
        // SAFETY: The caller guarantees a pointer from `into_raw`, which is used once.
        Self(unsafe { Arc::from_raw(work.byte_sub(T::OFFSET).cast::<T>()) })
    }

    fn run(&self, ctx: &Context<'_>) {
        T::run(&self.0, ctx);
    }
}

/// Why a work item was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is already queued, and will run.
    Pending,
    /// Someone is cancelling it, or has just done so.
    Canceling,
    /// It belongs to another worker.
    OtherWorker,
    /// The worker is being stopped.
    Stopped,
    /// The worker has died.
    ///
    /// Its queued items are dropped with it, and do not run.
    Died,
}

/// A work item that was not queued.
///
/// # Examples
///
/// ```
/// # fn f<T: WorkItem + 'static>(worker: &Worker, work: Arc<Work<T>>) -> Result {
/// match worker.queue(work) {
///     Err(refused) if refused.reason == Refusal::Pending => pr_info!("it will run anyway\n"),
///     other => other?,
/// }
/// # Ok(())
/// # }
/// ```
pub struct Refused<P> {
    /// The work item, given back.
    pub work: P,
    /// The reason.
    pub reason: Refusal,
}

impl<P> fmt::Debug for Refused<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.reason)
    }
}

impl<P> From<Refused<P>> for Error {
    fn from(refused: Refused<P>) -> Error {
        match refused.reason {
            Refusal::Pending => EBUSY,
            Refusal::Canceling => ecanceled(),
            Refusal::OtherWorker => EINVAL,
            Refusal::Stopped | Refusal::Died => ESRCH,
        }
    }
}
