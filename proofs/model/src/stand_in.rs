// SPDX-License-Identifier: GPL-2.0

//! The parts of the crate `kernel` that `kthread/` uses.

#![allow(missing_docs)]

pub mod ffi {
    #![allow(non_camel_case_types)]

    pub use std::ffi::c_void;
    pub type c_char = u8;
    pub type c_int = i32;
    pub type c_uint = u32;
    pub type c_long = isize;
    pub type c_ulong = usize;
}

/// `core`, with the cell of the model.
pub mod rust_core {
    pub use ::core::*;

    pub mod cell {
        pub use crate::cell::UnsafeCell;
        pub use ::core::cell::{Cell, RefCell};
    }
}

pub use ::core::fmt;

pub mod error {
    use crate::ffi::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Error(c_int);

    pub type Result<T = (), E = Error> = ::core::result::Result<T, E>;

    impl Error {
        pub const fn from_errno(errno: c_int) -> Self {
            Self(errno)
        }

        pub fn to_errno(self) -> c_int {
            self.0
        }
    }

    impl std::fmt::Debug for Error {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Error({})", self.0)
        }
    }

    impl From<std::convert::Infallible> for Error {
        fn from(never: std::convert::Infallible) -> Self {
            match never {}
        }
    }

    pub fn to_result(ret: c_int) -> Result {
        match ret < 0 {
            true => Err(Error(ret)),
            false => Ok(()),
        }
    }

    pub fn from_err_ptr<T>(pointer: *mut T) -> Result<*mut T> {
        match pointer.addr() as isize {
            errno @ -4095..=-1 => Err(Error(errno as c_int)),
            _ => Ok(pointer),
        }
    }

    pub mod code {
        use super::Error;

        macro_rules! codes {
            ($($name:ident $number:literal)*) => { $(
                pub const $name: Error = Error(-$number);
            )* };
        }

        codes!(EPERM 1 ENOENT 2 ESRCH 3 EINTR 4 EIO 5 EAGAIN 11 ENOMEM 12 EFAULT 14 EBUSY 16 ENODEV 19 EINVAL 22
            ERESTARTSYS 512);
    }
}

pub mod prelude {
    pub use crate::{
        error::{code::*, Error, Result},
        ffi::*,
        fmt_arguments as fmt,
        init::{InPlaceWrite, PinInit},
        memory::{Flags, KBox, KVVec, KVec},
        pin_init,
        str::CStrExt,
        ThisModule,
    };
    pub use ::core::{
        ffi::CStr,
        mem::{align_of, align_of_val, size_of, size_of_val},
        pin::Pin,
    };

    pub const GFP_KERNEL: Flags = Flags;
}

#[macro_export]
macro_rules! fmt_arguments {
    ($($argument:tt)*) => { ::core::format_args!($($argument)*) };
}

pub mod str {
    use crate::ffi::*;

    pub trait CStrExt {
        fn as_char_ptr(&self) -> *const c_char;
    }

    impl CStrExt for ::core::ffi::CStr {
        fn as_char_ptr(&self) -> *const c_char {
            self.as_ptr().cast()
        }
    }

    pub struct BStr;

    impl BStr {
        pub fn from_bytes(bytes: &[u8]) -> &str {
            std::str::from_utf8(bytes).unwrap()
        }
    }
}

pub mod alloc {
    pub use crate::memory::Flags;
}

pub mod types {
    use crate::init::{pin_init_from_closure, PinInit};
    use ::core::{
        cell::UnsafeCell,
        marker::{PhantomData, PhantomPinned},
        mem::{ManuallyDrop, MaybeUninit},
        ops::{Deref, DerefMut},
    };

    pub type NotThreadSafe = PhantomData<*mut ()>;
    #[allow(non_upper_case_globals)]
    pub const NotThreadSafe: NotThreadSafe = PhantomData;

    #[repr(transparent)]
    pub struct Opaque<T> {
        value: UnsafeCell<MaybeUninit<T>>,
        _pin: PhantomPinned,
    }

    impl<T> Opaque<T> {
        pub const fn new(value: T) -> Self {
            Self {
                value: UnsafeCell::new(MaybeUninit::new(value)),
                _pin: PhantomPinned,
            }
        }

        pub const fn uninit() -> Self {
            Self {
                value: UnsafeCell::new(MaybeUninit::uninit()),
                _pin: PhantomPinned,
            }
        }

        pub fn ffi_init(f: impl FnOnce(*mut T)) -> impl PinInit<Self> {
            // SAFETY: The closure initialises the value.
            unsafe {
                pin_init_from_closure(move |slot: *mut Self| {
                    f(slot.cast());
                    Ok(())
                })
            }
        }

        pub const fn get(&self) -> *mut T {
            self.value.get().cast()
        }
    }

    pub struct ScopeGuard<T, F: FnOnce(T)>(Option<(T, F)>);

    impl<T, F: FnOnce(T)> ScopeGuard<T, F> {
        pub fn new_with_data(data: T, f: F) -> Self {
            Self(Some((data, f)))
        }

        pub fn dismiss(mut self) -> T {
            self.0.take().unwrap().0
        }
    }

    impl ScopeGuard<(), fn(())> {
        pub fn new(f: impl FnOnce()) -> ScopeGuard<(), impl FnOnce(())> {
            ScopeGuard::new_with_data((), move |()| f())
        }
    }

    impl<T, F: FnOnce(T)> Deref for ScopeGuard<T, F> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0.as_ref().unwrap().0
        }
    }

    impl<T, F: FnOnce(T)> DerefMut for ScopeGuard<T, F> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.0.as_mut().unwrap().0
        }
    }

    impl<T, F: FnOnce(T)> Drop for ScopeGuard<T, F> {
        fn drop(&mut self) {
            if let Some((data, f)) = self.0.take() {
                f(data);
            }
        }
    }
}

#[macro_export]
macro_rules! container_of {
    ($pointer:expr, $type:ty, $field:ident) => {
        ($pointer)
            .byte_sub(::core::mem::offset_of!($type, $field))
            .cast::<$type>()
    };
}

#[macro_export]
macro_rules! static_lock_class {
    () => {
        $crate::sync::LockClassKey
    };
}

pub mod sync {
    pub use crate::memory::Arc;
    use crate::{c::lock::Sleeping, init::PinInit, machine};
    use ::core::{
        cell::UnsafeCell,
        ops::{Deref, DerefMut},
    };

    pub mod atomic {
        pub use crate::atomic::{atomic_load, Acquire, Atomic, AtomicType, Full, Relaxed, Release};
    }

    pub mod aref {
        use ::core::{marker::PhantomData, ops::Deref, ptr::NonNull};

        /// # Safety
        ///
        /// As in the `kernel` crate.
        pub unsafe trait AlwaysRefCounted {
            fn inc_ref(&self);
            /// # Safety
            ///
            /// As in the `kernel` crate.
            unsafe fn dec_ref(object: NonNull<Self>);
        }

        pub struct ARef<T: AlwaysRefCounted>(NonNull<T>, PhantomData<T>);

        // SAFETY: As in the `kernel` crate.
        unsafe impl<T: AlwaysRefCounted + Sync + Send> Send for ARef<T> {}

        // SAFETY: As in the `kernel` crate.
        unsafe impl<T: AlwaysRefCounted + Sync + Send> Sync for ARef<T> {}

        impl<T: AlwaysRefCounted> From<&T> for ARef<T> {
            fn from(object: &T) -> Self {
                object.inc_ref();
                Self(NonNull::from(object), PhantomData)
            }
        }

        impl<T: AlwaysRefCounted> Clone for ARef<T> {
            fn clone(&self) -> Self {
                Self::from(&**self)
            }
        }

        impl<T: AlwaysRefCounted> Deref for ARef<T> {
            type Target = T;

            fn deref(&self) -> &T {
                // SAFETY: There is a reference to the task.
                unsafe { self.0.as_ref() }
            }
        }

        impl<T: AlwaysRefCounted> Drop for ARef<T> {
            fn drop(&mut self) {
                // SAFETY: There is a reference to the task.
                unsafe { T::dec_ref(self.0) };
            }
        }
    }

    pub mod rcu {
        pub fn read_lock() -> impl Drop {
            crate::types::ScopeGuard::new(|| {})
        }
    }

    pub struct LockClassKey;

    impl LockClassKey {
        pub fn as_ptr(&self) -> *mut crate::bindings::lock_class_key {
            ::core::ptr::null_mut()
        }
    }

    pub struct Mutex<T> {
        lock: UnsafeCell<Sleeping>,
        value: UnsafeCell<T>,
    }

    // SAFETY: As in the `kernel` crate.
    unsafe impl<T: Send> Send for Mutex<T> {}

    // SAFETY: As in the `kernel` crate.
    unsafe impl<T: Send> Sync for Mutex<T> {}

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self {
                lock: UnsafeCell::new(Sleeping::default()),
                value: UnsafeCell::new(value),
            }
        }

        pub fn lock(&self) -> Guard<'_, T> {
            // SAFETY: The lock is valid.
            unsafe { Sleeping::lock(self.lock.get()) };
            Guard(self)
        }
    }

    pub struct Guard<'a, T>(&'a Mutex<T>);

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: The lock is held.
            unsafe { &*self.0.value.get() }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: The lock is held.
            unsafe { &mut *self.0.value.get() }
        }
    }

    impl<T> Drop for Guard<'_, T> {
        fn drop(&mut self) {
            // SAFETY: The caller holds the lock.
            unsafe { Sleeping::unlock(self.0.lock.get()) };
        }
    }

    #[macro_export]
    macro_rules! new_mutex {
        ($value:expr) => {
            $crate::sync::Mutex::new($value)
        };
    }

    /// A value that is set once.
    pub struct SetOnce<T> {
        is_set: crate::atomic::Atomic<u32>,
        value: crate::cell::UnsafeCell<Option<T>>,
    }

    // SAFETY: As in the `kernel` crate.
    unsafe impl<T: Send + Sync> Send for SetOnce<T> {}

    // SAFETY: As in the `kernel` crate.
    unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

    impl<T> SetOnce<T> {
        pub const fn new() -> Self {
            Self {
                is_set: crate::atomic::Atomic::new(0),
                value: crate::cell::UnsafeCell::new(None),
            }
        }

        pub fn as_ref(&self) -> Option<&T> {
            match self.is_set.load(atomic::Acquire) {
                // SAFETY: The value has been set.
                2 => unsafe { (*self.value.get_to_read()).as_ref() },
                _ => None,
            }
        }

        pub fn populate(&self, value: T) -> bool {
            if self.is_set.cmpxchg(0, 1, atomic::Relaxed).is_err() {
                return false;
            }
            // SAFETY: Only the first caller gets here.
            unsafe { *self.value.get() = Some(value) };
            self.is_set.store(2, atomic::Release);
            true
        }
    }
}

pub use sync::Mutex as _;

pub mod task {
    use crate::{
        bindings::{self, task_struct},
        c::sched,
        sync::aref::AlwaysRefCounted,
    };
    use ::core::{cell::UnsafeCell, ops::Deref, ptr::NonNull};

    pub type Pid = i32;

    pub use sched::might_sleep;

    #[repr(transparent)]
    pub struct Task(UnsafeCell<task_struct>);

    // SAFETY: As in the `kernel` crate.
    unsafe impl Send for Task {}

    // SAFETY: As in the `kernel` crate.
    unsafe impl Sync for Task {}

    impl Task {
        pub fn current_raw() -> *mut task_struct {
            sched::current()
        }

        pub fn as_ptr(&self) -> *mut task_struct {
            self.0.get()
        }

        pub fn wake_up(&self) {
            // SAFETY: There is a reference to the task.
            unsafe { bindings::wake_up_process(self.as_ptr()) };
        }
    }

    // SAFETY: As in the `kernel` crate.
    unsafe impl AlwaysRefCounted for Task {
        fn inc_ref(&self) {
            // SAFETY: There is a reference to the task.
            unsafe { sched::get_task_struct(self.as_ptr()) };
        }

        unsafe fn dec_ref(object: NonNull<Self>) {
            // SAFETY: The caller guarantees that there is a reference to the task.
            unsafe { sched::put_task_struct(object.as_ptr().cast()) };
        }
    }

    #[repr(transparent)]
    pub struct CurrentTask(Task);

    impl Deref for CurrentTask {
        type Target = Task;

        fn deref(&self) -> &Task {
            &self.0
        }
    }
}

#[macro_export]
macro_rules! current {
    () => {
        // SAFETY: The current task is valid while its code runs.
        unsafe { &*$crate::task::Task::current_raw().cast::<$crate::task::CurrentTask>() }
    };
}

pub mod time {
    use crate::machine::machine;
    use ::core::{
        marker::PhantomData,
        ops::{Add, Sub},
    };

    pub type Jiffies = crate::ffi::c_ulong;

    pub mod delay {
        pub fn fsleep(_: super::Delta) {
            crate::machine::give_way();
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    pub struct Delta(i64);

    impl Delta {
        pub const ZERO: Self = Self(0);

        pub const fn from_nanos(nanos: i64) -> Self {
            Self(nanos)
        }

        pub const fn from_millis(millis: i64) -> Self {
            Self(millis * 1_000_000)
        }

        pub const fn as_nanos(self) -> i64 {
            self.0
        }

        pub const fn is_negative(self) -> bool {
            self.0 < 0
        }
    }

    #[derive(Clone, Copy)]
    pub struct Monotonic;

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Instant<C>(i64, PhantomData<C>);

    impl<C> Instant<C> {
        pub fn now() -> Self {
            crate::machine::step("ktime_get");
            Self(machine().now_ns, PhantomData)
        }

        pub fn elapsed(&self) -> Delta {
            Delta(Self::now().0 - self.0)
        }
    }

    impl<C> Add<Delta> for Instant<C> {
        type Output = Self;

        fn add(self, delta: Delta) -> Self {
            Self(self.0 + delta.0, PhantomData)
        }
    }

    impl<C> Sub for Instant<C> {
        type Output = Delta;

        fn sub(self, other: Self) -> Delta {
            Delta(self.0 - other.0)
        }
    }

    impl PartialOrd for Monotonic {
        fn partial_cmp(&self, _: &Self) -> Option<std::cmp::Ordering> {
            None
        }
    }

    impl PartialEq for Monotonic {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
}

pub mod processor {
    pub fn cpu_relax() {
        crate::machine::give_way();
    }
}

pub mod cpu {
    #[derive(Clone, Copy)]
    pub struct CpuId(u32);

    impl CpuId {
        pub fn from_u32(number: u32) -> Option<Self> {
            (number < nr_cpu_ids()).then_some(Self(number))
        }

        pub fn as_u32(&self) -> u32 {
            self.0
        }

        pub fn current() -> Self {
            Self(0)
        }
    }

    pub fn nr_cpu_ids() -> u32 {
        crate::c::smpboot::CPUS as u32
    }
}

pub mod cpumask {
    use crate::{bindings::cpumask, cpu::CpuId};

    #[repr(transparent)]
    pub struct Cpumask(cpumask);

    impl Cpumask {
        /// # Safety
        ///
        /// As in the `kernel` crate.
        pub unsafe fn from_raw<'a>(mask: *const cpumask) -> &'a Self {
            // SAFETY: The caller guarantees that `mask` is valid for `'a`.
            unsafe { &*mask.cast() }
        }

        pub fn as_raw(&self) -> *mut cpumask {
            ::core::ptr::from_ref(self).cast_mut().cast()
        }

        pub fn test(&self, cpu: CpuId) -> bool {
            self.0.bits[0] >> cpu.as_u32() & 1 != 0
        }

        pub fn empty(&self) -> bool {
            self.0.bits[0] == 0
        }
    }
}

pub mod mm {
    use crate::{bindings::mm_struct, sync::aref::AlwaysRefCounted};
    use ::core::{cell::UnsafeCell, ptr::NonNull};

    pub struct MmWithUser(UnsafeCell<mm_struct>);

    // SAFETY: No value of this type exists.
    unsafe impl Sync for MmWithUser {}

    impl MmWithUser {
        pub fn as_raw(&self) -> *mut mm_struct {
            self.0.get()
        }
    }

    // SAFETY: As above.
    unsafe impl AlwaysRefCounted for MmWithUser {
        fn inc_ref(&self) {}

        unsafe fn dec_ref(_: NonNull<Self>) {}
    }
}

pub mod device {
    use ::core::marker::PhantomData;

    pub trait DeviceContext {}

    pub struct Bound;
    pub struct Normal;

    impl DeviceContext for Bound {}
    impl DeviceContext for Normal {}

    pub struct Device<C = Normal>(crate::bindings::device, PhantomData<C>);

    impl<C> Device<C> {
        /// # Safety
        ///
        /// As in the `kernel` crate.
        pub unsafe fn from_raw<'a>(device: *mut crate::bindings::device) -> &'a Self {
            // SAFETY: The caller guarantees that `device` is valid for `'a`.
            unsafe { &*device.cast() }
        }
    }
}

pub mod faux {
    use crate::device::{Device, Normal};

    pub struct Inner(Device<Normal>);

    impl AsRef<Device<Normal>> for Inner {
        fn as_ref(&self) -> &Device<Normal> {
            &self.0
        }
    }

    pub struct Registration(Inner);

    impl AsRef<Inner> for Registration {
        fn as_ref(&self) -> &Inner {
            &self.0
        }
    }
}

pub mod devres {
    use crate::{
        device::{Bound, Device},
        error::Result,
        memory::Flags,
    };

    pub fn register<T>(_: &Device<Bound>, _: T, _: Flags) -> Result {
        unimplemented!("devices")
    }
}

pub struct ThisModule(*mut bindings::module);

// SAFETY: It is only used as a number.
unsafe impl Sync for ThisModule {}

impl ThisModule {
    pub const fn new(module: *mut bindings::module) -> Self {
        Self(module)
    }

    pub fn as_ptr(&self) -> *mut bindings::module {
        self.0
    }
}

pub mod bindings {
    #![allow(non_upper_case_globals, non_snake_case)]

    pub use crate::c::{
        completion::*,
        freezer::*,
        kthread::*,
        lock::*,
        sched::*,
        signal::*,
        smpboot::{__cpu_online_mask, cpus_read_lock, cpus_read_unlock},
        timer::*,
        types::*,
        wait::*,
        worker::*,
    };
    use crate::{ffi::*, machine};

    pub const NUMA_NO_NODE: c_int = -1;
    pub const MAX_NUMNODES: u32 = 64;
    pub const node_states_N_ONLINE: c_uint = 0;
    pub const GFP_KERNEL: c_uint = 0;
    pub const TASK_COMM_LEN: u32 = 16;
    pub const MAX_RT_PRIO: u32 = 100;
    pub const DEFAULT_PRIO: u32 = 120;
    pub const MIN_NICE: i32 = -20;
    pub const MAX_NICE: u32 = 19;
    pub const SCHED_NORMAL: u32 = 0;
    pub const SCHED_FIFO: u32 = 1;
    pub const SCHED_RR: u32 = 2;
    pub const SCHED_BATCH: u32 = 3;
    pub const SCHED_IDLE: u32 = 5;
    pub const SCHED_DEADLINE: u32 = 6;
    pub const SCHED_EXT: u32 = 7;
    pub const PF_MEMALLOC: u32 = 0x800;
    pub const PF_MEMALLOC_NOFS: u32 = 0x4_0000;
    pub const PF_MEMALLOC_NOIO: u32 = 0x8_0000;
    pub const TIMER_IRQSAFE: u32 = 0x20_0000;
    pub const hrtimer_mode_HRTIMER_MODE_REL: u32 = 1;
    pub const module_state_MODULE_STATE_COMING: u32 = 1;
    pub const ENAMETOOLONG: u32 = 36;
    pub const EDEADLK: u32 = 35;
    pub const ECANCELED: u32 = 125;

    pub static mut jiffies: c_ulong = 0;
    // The second word of a state is behind its nodes.
    pub static mut node_states: [[c_ulong; 2]; 1] = [[1, c_ulong::MAX]];
    pub static cpu_bit_bitmap: [c_ulong; 65] = [0; 65];

    pub unsafe fn smp_mb() {
        machine::full_barrier();
    }

    pub unsafe fn smp_rmb() {
        machine::read_barrier();
    }

    pub unsafe fn smp_wmb() {
        machine::write_barrier();
    }

    pub unsafe fn pcpu_alloc_noprof(
        size: usize,
        _align: usize,
        _reserved: bool,
        _gfp: c_uint,
    ) -> *mut c_void {
        if !machine::has_memory() {
            return std::ptr::null_mut();
        }
        machine::allocated();
        Box::into_raw(vec![0usize; size].into_boxed_slice()).cast()
    }

    pub unsafe fn free_percpu(_pointer: *mut c_void) {
        machine::freed();
    }

    pub unsafe fn kthread_affine_preferred(_: *mut task_struct, _: *const cpumask) -> c_int {
        match machine::has_memory() {
            true => 0,
            false => -12,
        }
    }

    macro_rules! nothing {
        ($($name:ident($($argument:ident: $type:ty),*) $(-> $ret:ty)?;)*) => { $(
            pub unsafe fn $name($(_: $type),*) $(-> $ret)? {
                $(<$ret>::default())?
            }
        )* };
    }

    nothing! {
        set_cpus_allowed_ptr(task: *mut task_struct, mask: *const cpumask) -> c_int;
        set_user_nice(task: *mut task_struct, nice: c_long);
        sched_set_normal(task: *mut task_struct, nice: c_int);
        sched_set_fifo(task: *mut task_struct);
        sched_set_fifo_low(task: *mut task_struct);
        sched_setattr_nocheck(task: *mut task_struct, attr: *const c_void) -> c_int;
        kthread_use_mm(mm: *mut mm_struct);
        kthread_unuse_mm(mm: *mut mm_struct);
    }
}
