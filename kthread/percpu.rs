// SPDX-License-Identifier: GPL-2.0

//! Threads of which there is one on each CPU, and which follow CPU hotplug.
//!
//! A thread that is bound to a CPU by [`Placement::Cpu`] loses the binding if it becomes runnable
//! while the CPU is offline. The threads here are parked while their CPU is offline. A CPU that
//! comes online for the first time gets its thread then.
//!
//! C header: [`include/linux/smpboot.h`](srctree/include/linux/smpboot.h)
//!
//! [`Placement::Cpu`]: super::Placement::Cpu

use super::{
    barrier::smp_mb,
    builder::Builder,
    completion::Completion,
    errno::edeadlk,
    ffi::{
        clear_notify_signal,
        read_once,
        set_notify_signal, //
    },
    group::ThreadGroup,
    hotplug::{
        is_percpu_thread,
        set_percpu_thread, //
    },
    members::{
        Entry,
        Members,
        Place, //
    },
    packet::to_format,
    sched::Policy, //
};
use core::{
    cell::UnsafeCell,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    cpu::CpuId,
    error::to_result,
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    task::{
        might_sleep,
        Task, //
    },
    types::{
        Opaque,
        ScopeGuard, //
    }, //
};

/// What [`include/linux/smpboot.h`](srctree/include/linux/smpboot.h) declares.
///
/// The bindings lack it.
mod smpboot {
    use kernel::{
        bindings,
        prelude::*, //
    };

    #[repr(C)]
    pub(super) struct Hotplug {
        pub(super) store: *mut c_void,
        pub(super) list: bindings::list_head,
        pub(super) thread_should_run: Option<unsafe extern "C" fn(c_uint) -> c_int>,
        pub(super) thread_fn: Option<unsafe extern "C" fn(c_uint)>,
        pub(super) create: Option<unsafe extern "C" fn(c_uint)>,
        pub(super) setup: Option<unsafe extern "C" fn(c_uint)>,
        pub(super) cleanup: Option<unsafe extern "C" fn(c_uint, bool)>,
        pub(super) park: Option<unsafe extern "C" fn(c_uint)>,
        pub(super) unpark: Option<unsafe extern "C" fn(c_uint)>,
        pub(super) selfparking: bool,
        pub(super) thread_comm: *const c_char,
    }

    extern "C" {
        pub(super) fn smpboot_register_percpu_thread(thread: *mut Hotplug) -> c_int;
        pub(super) fn smpboot_unregister_percpu_thread(thread: *mut Hotplug);
    }
}

/// The operations of the threads of a [`PerCpuThreads`].
///
/// Every function is called by the thread of `cpu`, on that CPU unless it says otherwise, in
/// `TASK_RUNNING`, and may sleep. None may wait for CPU hotplug, which waits for the thread to
/// park. If a thread dies, CPU hotplug waits for ever.
pub trait PerCpuThread: HasSlot {
    /// Called once, first.
    ///
    /// The thread already has its policy.
    fn setup(&self, _cpu: CpuId) {}

    /// Called if [`PerCpuThreads::wake`] has woken the thread since the last call began.
    ///
    /// When the threads are stopped, interruptible sleeps in this end.
    fn run(&self, cpu: CpuId);

    /// Called when the CPU is going offline, which happens once this returns.
    fn park(&self, _cpu: CpuId) {}

    /// Called when the CPU is online again.
    fn unpark(&self, _cpu: CpuId) {}

    /// Called last, if [`PerCpuThread::setup`] was called.
    ///
    /// If the CPU is not `online`, this runs on another one.
    fn cleanup(&self, _cpu: CpuId, _online: bool) {}
}

/// Declares that a type has a [`Slot`] for its [`PerCpuThreads`].
///
/// smpboot passes its callbacks only the CPU number, so they find their data in a static variable
/// per type, which [`impl_has_slot!`] defines.
///
/// # Safety
///
/// `slot` must return the same slot every time.
///
/// [`impl_has_slot!`]: crate::impl_has_slot
pub unsafe trait HasSlot: Send + Sync + Sized + 'static {
    /// Returns the slot.
    fn slot() -> &'static Slot<Self>;
}

/// Implements [`HasSlot`] for a type that is not generic.
///
/// [`HasSlot`]: crate::kthread::HasSlot
#[macro_export]
macro_rules! impl_has_slot {
    ($type:ty) => {
        // SAFETY: The slot is always the same static variable.
        unsafe impl $crate::kthread::HasSlot for $type {
            fn slot() -> &'static $crate::kthread::Slot<Self> {
                static SLOT: $crate::kthread::Slot<$type> = $crate::kthread::Slot::new();

                &SLOT
            }
        }
    };
}
pub use impl_has_slot;

/// The place where the threads of a type find their shared data.
///
/// # Invariants
///
/// - Only the caller that has set `taken` writes `shared`, and only while no threads exist.
/// - While threads exist, `shared` points to their shared data.
pub struct Slot<T> {
    taken: Atomic<bool>,
    shared: UnsafeCell<Option<NonNull<Shared<T>>>>,
}

// SAFETY: By the type invariants `shared` is not written while others may read it. It points to
// data that is `Sync`, as `T` is.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// Creates a slot, for [`impl_has_slot!`] only.
    ///
    /// [`impl_has_slot!`]: crate::impl_has_slot
    // A static has no use for `Default`.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        // INVARIANT: There are no threads.
        Self {
            taken: Atomic::new(false),
            shared: UnsafeCell::new(None),
        }
    }
}

/// The thread is not in [`PerCpuThread::run`].
const IDLE: u32 = 0;
/// The thread is in [`PerCpuThread::run`].
const RUNS: u32 = 1;
/// The same, and someone is ending its interruptible sleeps.
const INTERRUPTED: u32 = 2;

/// The part of a CPU in a [`Shared`].
struct OnCpu {
    /// Whether the thread has been woken.
    wanted: Atomic<bool>,
    /// The state of the thread: `IDLE`, `RUNS`, or `INTERRUPTED`.
    phase: Atomic<u32>,
    /// Completed when the sleeps of a thread that is `INTERRUPTED` have been ended.
    interrupted: Pin<KBox<Completion>>,
    /// The thread, once it has begun.
    task: SetOnce<ARef<Task>>,
}

/// The data that the threads share with their handle and their group.
///
/// # Invariants
///
/// - While `registered` is true, `hotplug` is registered, and the members hold this.
/// - The slot of `T` is taken, and points to this, from before `hotplug` is registered until after
///   it has been unregistered.
#[pin_data]
struct Shared<T> {
    hotplug: Opaque<smpboot::Hotplug>,
    /// The memory that `hotplug` points to.
    store: Store,
    comm: KVec<u8>,
    cpus: KVVec<OnCpu>,
    place: Place,
    members: Arc<Members>,
    stop_requested: Atomic<bool>,
    /// The policy of present and future threads.
    ///
    /// No thread is set up while this is locked.
    #[pin]
    policy: Mutex<Option<Policy>>,
    #[pin]
    registered: Mutex<bool>,
    value: T,
}

// SAFETY: The task structures of the threads and the rest of `hotplug` are only accessed by C
// functions, which hold a lock of their own.
unsafe impl<T: Send> Send for Shared<T> {}

// SAFETY: C functions with a lock of their own access the task structures and `hotplug`. The rest
// is `Sync`.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

/// One pointer for each CPU, in which the C side stores the tasks.
struct Store(NonNull<c_void>);

impl Store {
    fn new() -> Result<Self> {
        // SAFETY: The size and alignment are those of a pointer. The memory is zeroed.
        let store = unsafe {
            bindings::pcpu_alloc_noprof(
                size_of::<*mut bindings::task_struct>(),
                align_of::<*mut bindings::task_struct>(),
                false,
                bindings::GFP_KERNEL,
            )
        };

        Ok(Self(NonNull::new(store).ok_or(ENOMEM)?))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: The pointer comes from the allocator of per-CPU memory.
        unsafe { bindings::free_percpu(self.0.as_ptr()) };
    }
}

impl<T: PerCpuThread> Shared<T> {
    fn as_raw(&self) -> *mut smpboot::Hotplug {
        self.hotplug.get()
    }

    /// Calls `f` with the shared data of the threads of `T`.
    ///
    /// # Safety
    ///
    /// Must only be called by such a thread, for its CPU.
    unsafe fn on<R>(cpu: c_uint, f: impl FnOnce(&Self, CpuId, &OnCpu) -> R) -> Option<R> {
        // SAFETY: The caller is a thread of `T`, so by the type invariants of `Slot` nobody writes
        // `shared`.
        let shared = unsafe { (*T::slot().shared.get())? };
        // SAFETY: By the type invariants of `Slot` it points to the shared data, which the members
        // hold until all threads are gone.
        let shared = unsafe { shared.as_ref() };

        Some(f(
            shared,
            CpuId::from_u32(cpu)?,
            shared.cpus.get(cpu as usize)?,
        ))
    }

    /// # Safety
    ///
    /// Must only be called by a thread of `T`, as the callback `thread_should_run`.
    unsafe extern "C" fn should_run(cpu: c_uint) -> c_int {
        // ORDERING: proofs/litmus/percpu-setup.litmus
        // ORDERING: proofs/litmus/percpu-wake.litmus
        // The thread is not in `TASK_RUNNING` here, and must not be preempted.
        //
        // SAFETY: The caller guarantees that this is a thread of `T`, on its CPU.
        let wanted = unsafe { Self::on(cpu, |_, _, on_cpu| read_once(&on_cpu.wanted)) };

        c_int::from(wanted == Some(true))
    }

    /// # Safety
    ///
    /// Must only be called by a thread of `T`, as the callback `thread_fn`.
    unsafe extern "C" fn run(cpu: c_uint) {
        let task = kernel::current!();

        // ORDERING: proofs/litmus/percpu-data.litmus
        // ORDERING: proofs/litmus/percpu-idle.litmus
        // ORDERING: proofs/litmus/percpu-stop.litmus
        // ORDERING: proofs/litmus/percpu-stop-setup.litmus
        // SAFETY: The caller guarantees that this is a thread of `T`, on its CPU.
        unsafe {
            Self::on(cpu, |shared, cpu, on_cpu| {
                // Pairs with `wake`: everything before that is visible.
                on_cpu.wanted.xchg(false, Acquire);
                // The barrier pairs with that of `interrupt`: one of them sees the other.
                on_cpu.phase.xchg(RUNS, Full);
                if shared.stop_requested.load(Relaxed) {
                    set_notify_signal(task);
                }
                shared.value.run(cpu);
                if on_cpu.phase.xchg(IDLE, Relaxed) == INTERRUPTED {
                    on_cpu.interrupted.wait_for_completion();
                }
                // `smpboot_thread_fn()` sleeps interruptibly, and could no longer sleep.
                if shared.stop_requested.load(Relaxed) {
                    clear_notify_signal();
                }
            })
        };
    }

    /// # Safety
    ///
    /// Must only be called by a thread of `T`, as the callback `setup`.
    unsafe extern "C" fn setup(cpu: c_uint) {
        let task = kernel::current!();

        // ORDERING: proofs/litmus/once.litmus
        // ORDERING: proofs/litmus/percpu-policy.litmus
        // ORDERING: proofs/litmus/percpu-setup.litmus
        // ORDERING: proofs/litmus/percpu-stop-setup.litmus
        // SAFETY: The caller guarantees that this is a thread of `T`, on its CPU.
        unsafe {
            Self::on(cpu, |shared, cpu, on_cpu| {
                {
                    let policy = shared.policy.lock();

                    on_cpu.task.populate(ARef::from(&**task));
                    if let Some(policy) = *policy {
                        // The policy has been checked, so this does not fail.
                        //
                        // SAFETY: This is the current task.
                        let _ = policy.apply(Task::current_raw());
                    }
                }
                set_percpu_thread();
                shared.value.setup(cpu);
            })
        };
    }

    /// # Safety
    ///
    /// Must only be called by a thread of `T`, as the callback `cleanup`.
    unsafe extern "C" fn cleanup(cpu: c_uint, online: bool) {
        // SAFETY: The caller guarantees that this is a thread of `T`.
        unsafe { Self::on(cpu, |shared, cpu, _| shared.value.cleanup(cpu, online)) };
    }

    /// # Safety
    ///
    /// Must only be called by a thread of `T`, as the callback `park`.
    unsafe extern "C" fn park(cpu: c_uint) {
        // SAFETY: The caller guarantees that this is a thread of `T`.
        unsafe { Self::on(cpu, |shared, cpu, _| shared.value.park(cpu)) };
    }

    /// # Safety
    ///
    /// Must only be called by a thread of `T`, as the callback `unpark`.
    unsafe extern "C" fn unpark(cpu: c_uint) {
        // SAFETY: The caller guarantees that this is a thread of `T`.
        unsafe { Self::on(cpu, |shared, cpu, _| shared.value.unpark(cpu)) };
    }

    /// Ends the interruptible sleeps of the threads in [`PerCpuThread::run`], now and later.
    fn interrupt(&self) {
        // ORDERING: proofs/litmus/once.litmus
        // ORDERING: proofs/litmus/percpu-idle.litmus
        // ORDERING: proofs/litmus/percpu-stop.litmus
        // ORDERING: proofs/litmus/percpu-stop-setup.litmus
        if self.stop_requested.xchg(true, Full) {
            return;
        }
        for on_cpu in &self.cpus {
            let Some(task) = on_cpu.task.as_ref() else {
                continue;
            };

            // The thread does not become idle, where it must not see the signal, before this is
            // done.
            if on_cpu.phase.cmpxchg(RUNS, INTERRUPTED, Relaxed).is_ok() {
                set_notify_signal(task);
                task.wake_up();
                on_cpu.interrupted.complete();
            }
        }
    }

    /// Releases the slot.
    ///
    /// There must be no threads, and the caller must have taken it.
    fn give_up_slot() {
        // ORDERING: proofs/litmus/percpu-slot.litmus
        // SAFETY: By the type invariants of `Slot` only the caller may access this now.
        unsafe { *T::slot().shared.get() = None };
        T::slot().taken.store(false, Release);
    }
}

impl<T: PerCpuThread> Entry for Shared<T> {
    fn place(&self) -> &Place {
        &self.place
    }

    fn is_current(&self) -> bool {
        // Unregistering waits for CPU hotplug, whatever set the caller belongs to.
        is_percpu_thread()
    }

    fn request_stop(&self) {
        self.interrupt();
    }

    fn reap(&self) {
        might_sleep();
        self.interrupt();

        let mut registered = self.registered.lock();
        if !*registered {
            return;
        }
        // SAFETY: By the type invariants `hotplug` is registered.
        unsafe { smpboot::smpboot_unregister_percpu_thread(self.as_raw()) };
        *registered = false;
        Self::give_up_slot();
        drop(registered);
        self.members.remove(&self.place);
    }

    fn has_exited(&self) -> bool {
        false
    }

    fn wait_exit(&self) {}

    unsafe fn drop_contents(&self) {}
}

/// A set of kernel threads, one on each CPU that is online.
///
/// It is a member of a [`ThreadGroup`]. When it is dropped, its threads are stopped. It
/// dereferences to the shared `T`.
///
/// Wraps `struct smp_hotplug_thread`. Users do not provide its callback `thread_should_run`, as it
/// is called in a state in which a thread must not sleep: [`PerCpuThreads::wake`] replaces it.
///
/// # Examples
///
/// ```
/// struct Scrubber {
///     rounds: Atomic<usize>,
/// }
///
/// impl_has_slot!(Scrubber);
///
/// impl PerCpuThread for Scrubber {
///     fn run(&self, cpu: CpuId) {
///         self.rounds.fetch_add(1, Relaxed);
///         pr_info!("scrubbing on {}\n", cpu.as_u32());
///     }
/// }
///
/// # fn f(group: &ThreadGroup) -> Result {
/// let scrubbers = PerCpuThreads::register(
///     group,
///     fmt!("scrub"),
///     Scrubber {
///         rounds: Atomic::new(0),
///     },
/// )?;
///
/// scrubbers.wake(CpuId::current());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "smp_hotplug_thread")]
#[must_use = "the threads are stopped when their handle is dropped"]
pub struct PerCpuThreads<T: PerCpuThread> {
    shared: Arc<Shared<T>>,
}

impl<T: PerCpuThread> PerCpuThreads<T> {
    /// Creates and starts a thread on each online CPU, and on each other CPU when it comes online.
    ///
    /// Their names are `name`, a slash, and the CPU number, with defaults for everything else.
    ///
    /// Context and errors are those of [`Builder::spawn_percpu`].
    #[doc(alias = "smpboot_register_percpu_thread")]
    pub fn register(group: &ThreadGroup, name: fmt::Arguments<'_>, value: T) -> Result<Self> {
        Builder::new(name).spawn_percpu(group, value)
    }

    /// Changes how the threads are scheduled, including those of CPUs that come online later.
    ///
    /// Sleeps. Fails, and changes nothing, with
    /// - [`EINVAL`] if the priority is out of range,
    /// - [`EPERM`] if it is [`Policy::Deadline`], which a thread bound to a CPU cannot have,
    /// - [`ESRCH`] if the threads have been stopped, or asked to stop.
    ///
    /// Wraps the same functions as [`Thread::set_policy`](super::Thread::set_policy).
    pub fn set_policy(&self, policy: Policy) -> Result {
        // ORDERING: proofs/litmus/percpu-policy.litmus
        might_sleep();
        policy.check_bound()?;
        if self.shared.stop_requested.load(Relaxed) {
            return Err(ESRCH);
        }
        let mut now = self.shared.policy.lock();

        *now = Some(policy);
        for task in self.shared.cpus.iter().filter_map(|cpu| cpu.task.as_ref()) {
            // The policy has been checked, so this does not fail.
            //
            // SAFETY: `task` is a reference to the task.
            let _ = unsafe { policy.apply(task.as_ptr()) };
        }
        Ok(())
    }

    fn create(builder: &Builder<'_>, group: &ThreadGroup, value: T) -> Result<Self> {
        // ORDERING: proofs/litmus/percpu-slot.litmus
        might_sleep();
        if is_percpu_thread() {
            return Err(edeadlk());
        }
        let (name, policy) = builder.for_each_cpu()?;
        let comm = to_format(name, b"/%u\0")?;
        let mut cpus = KVVec::new();

        for _ in 0..kernel::cpu::nr_cpu_ids() {
            cpus.push(
                OnCpu {
                    wanted: Atomic::new(false),
                    phase: Atomic::new(IDLE),
                    interrupted: KBox::pin_init(Completion::new(), GFP_KERNEL)?,
                    task: SetOnce::new(),
                },
                GFP_KERNEL,
            )?;
        }
        let store = Store::new()?;
        let members = group.members();
        let shared = Arc::pin_init(
            pin_init!(Shared {
                hotplug: Opaque::new(smpboot::Hotplug {
                    store: store.0.as_ptr(),
                    list: bindings::list_head::default(),
                    thread_should_run: Some(Shared::<T>::should_run),
                    thread_fn: Some(Shared::<T>::run),
                    create: None,
                    setup: Some(Shared::<T>::setup),
                    cleanup: Some(Shared::<T>::cleanup),
                    park: Some(Shared::<T>::park),
                    unpark: Some(Shared::<T>::unpark),
                    selfparking: false,
                    thread_comm: comm.as_ptr(),
                }),
                store,
                comm,
                cpus,
                place: Place::new(),
                members: members.clone(),
                stop_requested: Atomic::new(false),
                policy <- new_mutex!(policy),
                registered <- new_mutex!(false),
                value,
            }),
            GFP_KERNEL,
        )?;

        if T::slot().taken.xchg(true, Acquire) {
            return Err(EBUSY);
        }
        let free = ScopeGuard::new(Shared::<T>::give_up_slot);
        // SAFETY: This call has set `taken`, and there are no threads yet.
        unsafe { *T::slot().shared.get() = Some(NonNull::from(&*shared)) };
        let creation = members.insert(shared.clone())?;
        let undo = ScopeGuard::new(|| members.remove(&shared.place));

        // SAFETY: The callbacks are for threads of `T`, which these are. `hotplug` and the memory
        // that it points to are part of `shared`, which the members hold until it is unregistered.
        // If this fails, no threads are left.
        to_result(unsafe { smpboot::smpboot_register_percpu_thread(shared.as_raw()) })?;
        // INVARIANT: `hotplug` has been registered.
        *shared.registered.lock() = true;
        undo.dismiss();
        drop(creation);
        free.dismiss();
        Ok(Self { shared })
    }

    /// Makes the thread of `cpu` call [`PerCpuThread::run`].
    ///
    /// `run` is called at least once after this; wake-ups that arrive before it begins are merged.
    /// If the CPU is offline, it runs once the CPU is online.
    ///
    /// May be called from any context.
    pub fn wake(&self, cpu: CpuId) {
        // ORDERING: proofs/litmus/once.litmus
        // ORDERING: proofs/litmus/percpu-data.litmus
        // ORDERING: proofs/litmus/percpu-setup.litmus
        // ORDERING: proofs/litmus/percpu-wake.litmus
        let Some(on_cpu) = self.shared.cpus.get(cpu.as_u32() as usize) else {
            return;
        };

        // If several callers wake it, the thread sees what each of them did before.
        on_cpu.wanted.xchg(true, Release);
        // Pairs with the barrier of `smpboot_thread_fn()` between setting the task state and asking
        // whether to run, after `setup` has stored the task.
        smp_mb(Full);
        if let Some(task) = on_cpu.task.as_ref() {
            task.wake_up();
        }
    }
}

impl Builder<'_> {
    /// Creates and starts a thread on each online CPU, and on each other CPU when it comes online.
    ///
    /// Their names are the chosen name, a slash, and the CPU number. Each thread, including one of
    /// a CPU that comes online later, has the chosen policy before [`PerCpuThread::setup`] is
    /// called.
    ///
    /// Sleeps, and waits for CPU hotplug. Fails with
    /// - [`EINVAL`] if the name is empty, holds a NUL, or cannot be displayed,
    /// - [`EINVAL`] if a placement, freezing or signals have been chosen, which
    ///   `smpboot_thread_fn()` does not support, or a [`Memalloc`](super::Memalloc), which
    ///   [`PerCpuThread::run`] can set itself,
    /// - [`EINVAL`] and [`EPERM`] as in [`PerCpuThreads::set_policy`],
    /// - [`ENAMETOOLONG`] if the name is longer than 63 bytes,
    /// - [`EBUSY`] if threads of the same `T` exist,
    /// - [`EDEADLK`] if the caller is a per-CPU thread itself,
    /// - [`ENOMEM`] if there is no memory,
    /// - [`EAGAIN`] if there are too many tasks,
    /// - [`EINTR`] if the caller was killed while it waited.
    ///
    /// If it fails, `value` has been dropped, and no thread is left: those that had called `setup`
    /// have called [`PerCpuThread::cleanup`].
    ///
    /// Wraps `smpboot_register_percpu_thread()` of [`kernel/smpboot.c`](srctree/kernel/smpboot.c).
    ///
    /// # Examples
    ///
    /// ```
    /// struct Injector;
    ///
    /// impl_has_slot!(Injector);
    ///
    /// impl PerCpuThread for Injector {
    ///     fn run(&self, cpu: CpuId) {
    ///         pr_info!("nothing else runs on CPU {}\n", cpu.as_u32());
    ///     }
    ///
    ///     fn park(&self, cpu: CpuId) {
    ///         pr_info!("CPU {} goes\n", cpu.as_u32());
    ///     }
    ///
    ///     fn unpark(&self, cpu: CpuId) {
    ///         pr_info!("CPU {} is back\n", cpu.as_u32());
    ///     }
    /// }
    ///
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let injectors = Builder::new(fmt!("inject"))
    ///     .policy(Policy::Fifo)
    ///     .spawn_percpu(group, Injector)?;
    ///
    /// injectors.wake(CpuId::current());
    /// injectors.set_policy(Policy::Normal { nice: -20 })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "smpboot_register_percpu_thread")]
    pub fn spawn_percpu<T: PerCpuThread>(
        &self,
        group: &ThreadGroup,
        value: T,
    ) -> Result<PerCpuThreads<T>> {
        PerCpuThreads::create(self, group, value)
    }
}

impl<T: PerCpuThread> Deref for PerCpuThreads<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared.value
    }
}

impl<T: PerCpuThread> Drop for PerCpuThreads<T> {
    /// Stops the threads.
    ///
    /// In a per-CPU thread this only drops the handle, and leaves the threads to their group.
    ///
    /// Sleeps, and waits for CPU hotplug.
    #[doc(alias = "smpboot_unregister_percpu_thread")]
    fn drop(&mut self) {
        might_sleep();
        if !self.shared.is_current() {
            self.shared.reap();
        }
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_percpu)]
mod tests {
    use super::super::{
        errno::edeadlk,
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        cpu::CpuId,
        new_mutex,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc,
            Mutex, //
        },
        task::Task,
        time::{
            delay::fsleep,
            Delta,
            Instant,
            Monotonic, //
        }, //
    };

    /// Events on each of the first CPUs.
    #[derive(Default)]
    struct Log {
        setups: usize,
        runs: usize,
        parks: usize,
        unparks: usize,
        cleanups: usize,
        /// Calls on a wrong CPU.
        strays: usize,
    }

    impl Log {
        fn calls(&self) -> [usize; 6] {
            [
                self.setups,
                self.runs,
                self.parks,
                self.unparks,
                self.cleanups,
                self.strays,
            ]
        }
    }

    struct Logger {
        logs: Arc<Mutex<KVec<Log>>>,
    }

    impl_has_slot!(Logger);

    impl Logger {
        fn log(&self, cpu: CpuId, what: impl FnOnce(&mut Log)) {
            if let Some(log) = self.logs.lock().get_mut(cpu.as_u32() as usize) {
                what(log);
                if CpuId::current() != cpu {
                    log.strays += 1;
                }
            }
        }
    }

    impl PerCpuThread for Logger {
        fn setup(&self, cpu: CpuId) {
            // SAFETY: This is the current task, and nobody renames it.
            let comm = unsafe { (*Task::current_raw()).comm };

            // All names begin like this, and are no format.
            if comm.starts_with(b"log%s") {
                self.log(cpu, |log| log.setups += 1);
            }
        }

        fn run(&self, cpu: CpuId) {
            self.log(cpu, |log| log.runs += 1);
        }

        fn park(&self, cpu: CpuId) {
            self.log(cpu, |log| log.parks += 1);
        }

        fn unpark(&self, cpu: CpuId) {
            self.log(cpu, |log| log.unparks += 1);
        }

        fn cleanup(&self, cpu: CpuId, online: bool) {
            self.log(cpu, |log| log.cleanups += usize::from(online));
        }
    }

    fn logs() -> Result<Arc<Mutex<KVec<Log>>>> {
        let mut logs = KVec::new();

        for _ in 0..kernel::cpu::nr_cpu_ids() {
            logs.push(Log::default(), GFP_KERNEL)?;
        }
        Arc::pin_init(new_mutex!(logs), GFP_KERNEL)
    }

    /// Waits until `cpu` has had these calls.
    fn expect(logs: &Mutex<KVec<Log>>, cpu: CpuId, calls: [usize; 6]) {
        let get = || logs.lock().get(cpu.as_u32() as usize).map(Log::calls);

        for _ in 0..10_000 {
            if get() == Some(calls) {
                return;
            }
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(get(), Some(calls));
    }

    #[test]
    fn a_thread_for_each_cpu_runs_there_when_woken() -> Result {
        let group = group()?;
        let logs = logs()?;
        let threads =
            PerCpuThreads::register(&group, fmt!("log%s"), Logger { logs: logs.clone() })?;

        for round in 1..=100 {
            for cpu in (0..kernel::cpu::nr_cpu_ids()).filter_map(CpuId::from_u32) {
                threads.wake(cpu);
                expect(&logs, cpu, [1, round, 0, 0, 0, 0]);
            }
        }
        let more =
            PerCpuThreads::register(&group, fmt!("log%s-more"), Logger { logs: logs.clone() });
        assert_eq!(more.err(), Some(EBUSY));
        drop(threads);
        for cpu in (0..kernel::cpu::nr_cpu_ids()).filter_map(CpuId::from_u32) {
            expect(&logs, cpu, [1, 100, 0, 0, 1, 0]);
        }
        // The slot is free again, and a group stops leaked threads.
        ::core::mem::forget(PerCpuThreads::register(
            &group,
            fmt!("log%s-again"),
            Logger { logs: logs.clone() },
        )?);
        assert_eq!(group.len(), 1);
        drop(group);
        let other = self::group()?;
        assert_eq!(
            PerCpuThreads::register(&other, fmt!(""), Logger { logs: logs.clone() }).err(),
            Some(EINVAL)
        );
        assert!(PerCpuThreads::register(&other, fmt!("log%s-last"), Logger { logs }).is_ok());
        assert!(other.is_empty());
        Ok(())
    }

    #[test]
    fn threads_follow_cpu_hotplug() -> Result {
        let group = group()?;
        let logs = logs()?;
        let last = kernel::cpu::nr_cpu_ids() - 1;
        let cpu = CpuId::from_u32(last).ok_or(EINVAL)?;
        if last == 0 || !cfg!(CONFIG_HOTPLUG_CPU) {
            return Ok(());
        }
        let threads =
            PerCpuThreads::register(&group, fmt!("log%s-plug"), Logger { logs: logs.clone() })?;
        // A thread bound by the builder does not follow.
        let bound = Builder::new(fmt!("bound"))
            .placement(Placement::Cpu(cpu))
            .spawn(&group, |ctx| {
                while ctx.wait() != Wake::Stop {}
                seen(ctx.core()).cpus
            })?;

        expect(&logs, cpu, [1, 0, 0, 0, 0, 0]);
        for round in 1..=3 {
            plug(cpu, false)?;
            expect(&logs, cpu, [1, round - 1, round, round - 1, 0, 0]);
            // This wake-up is kept.
            threads.wake(cpu);
            bound.wake();
            plug(cpu, true)?;
            expect(&logs, cpu, [1, round, round, round, 0, 0]);
        }
        assert!(bound.stop()?.count_ones() > 1);

        plug(cpu, false)?;
        // The thread of a CPU that is offline cleans up on another one.
        drop(threads);
        expect(&logs, cpu, [1, 3, 4, 3, 0, 1]);
        let threads =
            PerCpuThreads::register(&group, fmt!("log%s-late"), Logger { logs: logs.clone() })?;
        expect(&logs, cpu, [1, 3, 4, 3, 0, 1]);
        plug(cpu, true)?;
        // The CPU gets its thread when it comes online.
        threads.wake(cpu);
        expect(&logs, cpu, [2, 4, 4, 3, 0, 1]);
        Ok(())
    }

    struct Selfish {
        own: Arc<Mutex<Option<PerCpuThreads<Selfish>>>>,
        group: Arc<Mutex<ThreadGroup>>,
        refused: Arc<Atomic<usize>>,
    }

    impl_has_slot!(Selfish);

    struct Idle;

    impl_has_slot!(Idle);

    impl PerCpuThread for Idle {
        fn run(&self, _cpu: CpuId) {}
    }

    impl PerCpuThread for Selfish {
        fn run(&self, _cpu: CpuId) {
            let mut group = self.group.lock();

            if PerCpuThreads::register(&group, fmt!("idle"), Idle).err() == Some(edeadlk()) {
                self.refused.fetch_add(1, Relaxed);
            }
            group.stop_all();
            if group.len() == 1 {
                self.refused.fetch_add(1, Relaxed);
            }
            drop(self.own.lock().take());
            self.refused.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_percpu_thread_does_not_wait_for_cpu_hotplug() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let own = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let refused = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let selfish = Selfish {
            own: own.clone(),
            group: group.clone(),
            refused: refused.clone(),
        };
        let threads = PerCpuThreads::register(&group.lock(), fmt!("selfish"), selfish)?;

        let mut slot = own.lock();
        threads.wake(CpuId::from_u32(0).ok_or(EINVAL)?);
        *slot = Some(threads);
        drop(slot);
        while refused.load(Relaxed) < 3 {
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(group.lock().len(), 1);
        group.lock().stop_all();
        assert!(group.lock().is_empty());
        Ok(())
    }

    /// Counts the beginnings of CPUs going offline, and their returns, both during CPU hotplug.
    struct Phase {
        cpu: CpuId,
        turns: Arc<Atomic<usize>>,
    }

    impl_has_slot!(Phase);

    impl PerCpuThread for Phase {
        fn run(&self, _cpu: CpuId) {}

        fn park(&self, cpu: CpuId) {
            self.turns.fetch_add(usize::from(cpu == self.cpu), Relaxed);
        }

        fn unpark(&self, cpu: CpuId) {
            self.park(cpu);
        }
    }

    #[test]
    fn a_bound_thread_runs_on_its_cpu_until_that_is_taken_offline() -> Result {
        let last = kernel::cpu::nr_cpu_ids() - 1;
        let cpu = CpuId::from_u32(last).ok_or(EINVAL)?;
        if last == 0 || !cfg!(CONFIG_HOTPLUG_CPU) {
            return Ok(());
        }
        let group = group()?;
        let (turns, plugs) = (count()?, count()?);
        let phase = PerCpuThreads::register(
            &group,
            fmt!("phase"),
            Phase {
                cpu,
                turns: turns.clone(),
            },
        )?;
        let counted = plugs.clone();
        let plugger = group.spawn(fmt!("plugger"), move |ctx| -> Result {
            let mut rest = Delta::from_millis(20);

            while !ctx.should_stop() {
                counted.fetch_add(1, Relaxed);
                plug(cpu, false)?;
                let _ = ctx.wait_timeout(Delta::from_millis(2));
                plug(cpu, true)?;
                counted.fetch_add(1, Relaxed);
                let _ = ctx.wait_timeout(rest);
                // Even on a slow machine a thread can be created at some time during this.
                rest += Delta::from_millis(5);
            }
            Ok(())
        })?;
        let now = || (turns.load(Relaxed), plugs.load(Relaxed));
        let (mut bound, mut refused) = (0, 0);

        let plenty = || plugs.load(Relaxed) >= if cfg!(CONFIG_KASAN) { 10 } else { 40 };
        while !(plugger.is_finished() || plenty() && bound > 0 && refused > 0) {
            let before = now();
            let new = Builder::new(fmt!("bound"))
                .placement(Placement::Cpu(cpu))
                .create(&group, |_| CpuId::current());

            match new {
                Ok(new) => {
                    // None is created while the CPU goes offline, is offline, or comes online.
                    assert!(now().0 != before.0 || before.0 % 2 == 0);
                    let ran_on = new.start().join()?;

                    if now() == before && before.1 % 2 == 0 {
                        assert_eq!(ran_on, cpu);
                        bound += 1;
                    }
                }
                Err(error) => {
                    assert_eq!(error, ENODEV);
                    refused += 1;
                    fsleep(Delta::from_micros(200));
                }
            }
        }
        plugger.stop()??;
        drop(phase);
        assert!(bound > 0 && refused > 0);
        Ok(())
    }

    struct Waits {
        never: Arc<Completion>,
        waiting: Arc<Atomic<usize>>,
        ended: Arc<Atomic<usize>>,
    }

    impl_has_slot!(Waits);

    impl PerCpuThread for Waits {
        fn run(&self, _cpu: CpuId) {
            self.waiting.fetch_add(1, Relaxed);
            if self.never.wait_interruptible().is_err() {
                self.ended.fetch_add(1, Relaxed);
            }
        }
    }

    #[test]
    fn percpu_threads_are_asked_with_the_others_of_their_group() -> Result {
        let mut group = group()?;
        let (waiting, ended) = (count()?, count()?);
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let threads = PerCpuThreads::register(
            &group,
            fmt!("waits"),
            Waits {
                never,
                waiting: waiting.clone(),
                ended: ended.clone(),
            },
        )?;
        let online = (0..kernel::cpu::nr_cpu_ids())
            .filter_map(CpuId::from_u32)
            .inspect(|cpu| threads.wake(*cpu))
            .count();
        // It is stopped first, and waits for the others to react to the request.
        let (seen, shared) = (ended.clone(), threads.shared.clone());
        let needs = group.spawn(fmt!("needs-them"), move |ctx| {
            until_stopped(ctx);
            let all_ended = eventually(|| seen.load(Relaxed) == online);
            // They have nothing to do, and have not been stopped yet.
            let mut tasks = shared.cpus.iter().filter_map(|cpu| cpu.task.as_ref());

            (all_ended, tasks.all(|task| sleeps(task)))
        })?;

        assert!(eventually(|| waiting.load(Relaxed) == online));
        group.stop_all();
        assert_eq!(ended.load(Relaxed), online);
        assert_eq!(needs.join(), Ok((true, true)));
        drop(threads);
        Ok(())
    }
    /// Records how each thread is scheduled when it is set up, and that it is dropped.
    struct Scheduled {
        found: Arc<Mutex<KVec<(u32, i32)>>>,
        cleanups: Count,
        _counted: Counted,
    }

    impl_has_slot!(Scheduled);

    impl PerCpuThread for Scheduled {
        fn setup(&self, _cpu: CpuId) {
            let task = Task::current_raw();
            // SAFETY: This is the current task, and nobody changes these fields now.
            let found = unsafe { ((*task).policy, (*task).static_prio) };

            let _ = self.found.lock().push(found, GFP_KERNEL);
        }

        fn run(&self, _cpu: CpuId) {}

        fn cleanup(&self, _cpu: CpuId, _online: bool) {
            self.cleanups.fetch_add(1, Relaxed);
        }
    }

    struct Scene {
        found: Arc<Mutex<KVec<(u32, i32)>>>,
        cleanups: Count,
        drops: Count,
    }

    impl Scene {
        fn new() -> Result<Self> {
            Ok(Self {
                found: Arc::pin_init(new_mutex!(KVec::new()), GFP_KERNEL)?,
                cleanups: count()?,
                drops: count()?,
            })
        }

        fn value(&self) -> Scheduled {
            Scheduled {
                found: self.found.clone(),
                cleanups: self.cleanups.clone(),
                _counted: Counted(self.drops.clone()),
            }
        }

        /// Waits until `count` threads have been set up, and returns whether all but the first
        /// `skipped` were scheduled so.
        fn has_found(&self, count: usize, skipped: usize, schedule: (u32, i32)) -> bool {
            eventually(|| self.found.lock().len() == count)
                && self
                    .found
                    .lock()
                    .iter()
                    .skip(skipped)
                    .all(|found| *found == schedule)
        }
    }

    const FIFO: (u32, i32) = (bindings::SCHED_FIFO, 120);
    const NORMAL: (u32, i32) = (bindings::SCHED_NORMAL, 117);

    #[test]
    fn percpu_threads_have_their_policy_from_the_beginning() -> Result {
        let group = group()?;
        let scene = Scene::new()?;
        let last = last_cpu().filter(|_| cfg!(CONFIG_HOTPLUG_CPU));

        if let Some(cpu) = last {
            plug(cpu, false)?;
        }
        let threads = Builder::new(fmt!("scheduled"))
            .policy(Policy::Fifo)
            .spawn_percpu(&group, scene.value());
        let count = kernel::cpu::nr_cpu_ids() as usize;
        let online = count - usize::from(last.is_some());
        let had_fifo = scene.has_found(online, 0, FIFO);
        // A thread that comes later has the policy that was chosen last.
        let changed = match &threads {
            Ok(threads) => threads.set_policy(Policy::Normal { nice: -3 }),
            Err(error) => Err(*error),
        };
        if let Some(cpu) = last {
            plug(cpu, true)?;
        }
        let threads = threads?;
        changed?;
        assert!(had_fifo);
        assert!(scene.has_found(count, online, NORMAL));
        for task in threads
            .shared
            .cpus
            .iter()
            .filter_map(|cpu| cpu.task.as_ref())
        {
            // SAFETY: This is a reference to the task, and nobody changes these fields now.
            let found = unsafe { ((*task.as_ptr()).policy, (*task.as_ptr()).static_prio) };
            assert_eq!(found, NORMAL);
        }
        group_is_stopped(group, &threads);
        drop(threads);
        assert_eq!(scene.drops.load(Relaxed), 1);
        Ok(())
    }

    /// Asserts that the policy of stopped threads cannot be changed.
    fn group_is_stopped<T: PerCpuThread>(mut group: ThreadGroup, threads: &PerCpuThreads<T>) {
        group.stop_all();
        assert_eq!(threads.set_policy(Policy::Fifo), Err(ESRCH));
    }

    #[test]
    fn percpu_threads_that_can_not_be_made_leave_nothing_behind() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let first = cpus([0])?;
        let scene = Scene::new()?;
        let new = || Builder::new(fmt!("nothing"));

        for builder in [
            new().freezable(true),
            new().parks_itself(),
            new().timer_slack(Delta::from_millis(1)),
            new().allow(Signal::Kill),
            new().placement(Placement::Cpus(&first)),
            new().placement(Placement::Preferred(&first)),
            new().placement(Placement::Node(0)),
            new().placement(Placement::Cpu(CpuId::current())),
        ] {
            let refused = builder.spawn_percpu(&group.lock(), scene.value());
            assert_eq!(refused.err(), Some(EINVAL));
        }
        assert_eq!(scene.drops.load(Relaxed), 8);
        assert!(group.lock().is_empty());

        // No thread is created for a caller that has been killed. If kthreadd is fast, one may be
        // created nevertheless.
        let others = Arc::pin_init(new_mutex!(self::group()?), GFP_KERNEL)?;
        let (used, values) = (others.clone(), Scene::new()?);
        let (drops, cleanups) = (values.drops.clone(), values.cleanups.clone());
        let found = values.found.clone();
        let killed =
            Builder::new(fmt!("killed"))
                .allow(Signal::Kill)
                .spawn(&group.lock(), move |_| {
                    // SAFETY: This is the current task.
                    unsafe {
                        bindings::send_sig(bindings::SIGKILL as c_int, Task::current_raw(), 0)
                    };
                    let began = Instant::<Monotonic>::now();
                    let (mut tries, mut refused) = (0, 0);
                    while tries < 50 || refused == 0 && began.elapsed() < Delta::from_secs(60) {
                        tries += 1;
                        match new_scheduled(&used.lock(), values.value()) {
                            Err(error) if error == EINTR => refused += 1,
                            Err(_) => return None,
                            Ok(threads) => drop(threads),
                        }
                    }
                    Some((tries, refused))
                })?;

        let (tries, refused) = killed.join()?.ok_or(EINVAL)?;
        assert!(refused > 0);
        assert_eq!(drops.load(Relaxed), tries);
        assert_eq!(cleanups.load(Relaxed), found.lock().len());
        assert!(others.lock().is_empty());
        // The slot is free.
        drop(new_scheduled(&others.lock(), scene.value())?);
        Ok(())
    }

    fn new_scheduled(group: &ThreadGroup, value: Scheduled) -> Result<PerCpuThreads<Scheduled>> {
        Builder::new(fmt!("scheduled")).spawn_percpu(group, value)
    }
}
