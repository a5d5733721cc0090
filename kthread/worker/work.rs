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

/// What a [`Work`] does when it runs.
pub trait WorkItem: Send + Sync + Sized {
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

/// What a [`Worker`] queues: a reference to something that has a work in it.
///
/// There are two of these: the [`Arc`] of a [`Work`], and [`WorkOf`].
///
/// # Safety
///
/// - The pointer is that of a work which [`Work::new`] or [`WorkField::new`] has initialised for
///   this type of reference.
/// - While there is such a reference, what it refers to stays where it is.
///
/// [`Worker`]: super::Worker
pub unsafe trait WorkPointer: Send + Sized {
    /// Returns the pointer.
    fn as_ptr(&self) -> *mut bindings::kthread_work;

    /// Returns the pointer, which stands for the reference from here on.
    fn into_raw(self) -> *mut bindings::kthread_work {
        let this = ManuallyDrop::new(self);

        this.as_ptr()
    }

    /// Takes a reference back.
    ///
    /// # Safety
    ///
    /// `work` must come from [`WorkPointer::into_raw`], and this be called once for each such call.
    unsafe fn from_raw(work: *mut bindings::kthread_work) -> Self;

    /// Does the work.
    fn run(&self, ctx: &Context<'_>);
}

/// What the worker calls for a work.
///
/// # Safety
///
/// Must only be called by kthread_worker, for the work of a `P` that it has taken from its queue.
unsafe extern "C" fn run<P: WorkPointer>(work: *mut bindings::kthread_work) {
    // SAFETY: The work runs, so that C has set its worker, which is part of a `Shared` whose task
    // this is.
    let shared = unsafe { Shared::of((*work).worker) };
    // The reference is kept until the work has run. As long as it runs, the address of the work is
    // what tells it from others, here as in C.
    //
    // SAFETY: By the type invariants of `RawWork` the queue owned a reference, which is this
    // function's, as the work has left the queue.
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
/// `work` must be that of a `P` and have been taken from its queue without being run.
unsafe fn release<P: WorkPointer>(work: *mut bindings::kthread_work) {
    // SAFETY: By the type invariants of `RawWork` the queue owned a reference, which is this
    // function's by its requirements.
    drop(unsafe { P::from_raw(work) });
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
    raw: RawWork,
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
            raw <- unsafe { RawWork::new(run::<Arc<Self>>, release::<Arc<Self>>, site) },
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

// SAFETY: An `Arc` keeps what it refers to, which is pinned. The work is its first field, and was
// initialised for this by `Work::new`.
unsafe impl<T: WorkItem> WorkPointer for Arc<Work<T>> {
    fn as_ptr(&self) -> *mut bindings::kthread_work {
        Arc::as_ptr(self).cast_mut().cast()
    }

    unsafe fn from_raw(work: *mut bindings::kthread_work) -> Self {
        // SAFETY: By the requirements of this function.
        unsafe { Arc::from_raw(work.cast::<Work<T>>()) }
    }

    fn run(&self, ctx: &Context<'_>) {
        T::run(self, ctx);
    }
}

/// A work that is a field of what it does it with, which can have several.
///
/// `ID` tells them apart: for each one, the struct implements [`FieldItem`]. The struct is queued
/// as a [`WorkOf`] that names the field. [`impl_has_work_field!`] says which field that is.
///
/// Every such field belongs to the worker that first queues it, and that can be another one for
/// each. While one is queued or runs, it keeps the whole of the struct.
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
    /// Creates an initialiser for a work that is not queued.
    #[doc(alias = "kthread_init_work")]
    #[doc(alias = "kthread_init_delayed_work")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn new() -> impl PinInit<Self> {
        let site = Site::caller();

        pin_init!(Self {
            // SAFETY: Both are instantiated for the field that has this type, which is this one.
            raw <- unsafe {
                RawWork::new(run::<WorkOf<T, ID>>, release::<WorkOf<T, ID>>, site)
            },
            _of: PhantomData,
        })
    }
}

/// Says where a [`WorkField`] is.
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
        // SAFETY: The field at the offset has this type, which is checked beside it.
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

/// What a [`WorkField`] does when it runs.
pub trait FieldItem<const ID: u64>: HasWorkField<ID> + Send + Sync {
    /// Does the work. All that [`WorkItem::run`] says holds for this, too.
    fn run(this: &Arc<Self>, ctx: &Context<'_>);
}

/// A reference to something that has several works, as one of them.
pub struct WorkOf<T, const ID: u64>(pub Arc<T>);

impl<T, const ID: u64> Clone for WorkOf<T, ID> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

// SAFETY: An `Arc` keeps what it refers to, which is pinned. By the requirements of `HasWorkField`
// the work is where that says, and `WorkField::new` has initialised it for this.
unsafe impl<T: FieldItem<ID>, const ID: u64> WorkPointer for WorkOf<T, ID> {
    fn as_ptr(&self) -> *mut bindings::kthread_work {
        // SAFETY: The field is part of what the `Arc` refers to.
        unsafe { Arc::as_ptr(&self.0).cast_mut().byte_add(T::OFFSET).cast() }
    }

    unsafe fn from_raw(work: *mut bindings::kthread_work) -> Self {
        // SAFETY: By the requirements of this function.
        Self(unsafe { Arc::from_raw(work.byte_sub(T::OFFSET).cast::<T>()) })
    }

    fn run(&self, ctx: &Context<'_>) {
        T::run(&self.0, ctx);
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
/// # fn f<T: WorkItem + 'static>(worker: &Worker, work: Arc<Work<T>>) -> Result {
/// match worker.queue(work) {
///     Err(refused) if refused.reason == Refusal::Pending => pr_info!("it will run anyway\n"),
///     other => other?,
/// }
/// # Ok(())
/// # }
/// ```
pub struct Refused<P> {
    /// The work, given back.
    pub work: P,
    /// Why.
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
