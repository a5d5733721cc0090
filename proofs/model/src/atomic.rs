// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::atomic`, and volatile accesses.

use crate::machine::{self, Order};
use std::cell::UnsafeCell;

pub trait Ordering {
    const ORDER: Order;
}

macro_rules! orderings {
    ($($name:ident)*) => { $(
        pub struct $name;

        impl Ordering for $name {
            const ORDER: Order = Order::$name;
        }
    )* };
}

orderings!(Relaxed Acquire Release Full);

/// # Safety
///
/// As in the `kernel` crate.
pub unsafe trait AtomicType: Sized + Send + Copy {
    type Repr;
}

macro_rules! types {
    ($($type:ty)*) => { $(
        // SAFETY: The type is its own representation.
        unsafe impl AtomicType for $type {
            type Repr = $type;
        }
    )* };
}

types!(bool i32 u32 i64 u64 usize isize);

pub struct Atomic<T>(UnsafeCell<T>);

// SAFETY: A pointer is an atomic type.
unsafe impl<T: Send> Send for Atomic<T> {}

// SAFETY: There is only one thread of the host.
unsafe impl<T: Send> Sync for Atomic<T> {}

impl<T: AtomicType> Atomic<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }

    fn exchange<O: Ordering>(&self, what: &str, _: O, change: impl FnOnce(T) -> T) -> T {
        machine::step(what);
        machine::check(self, what);
        // SAFETY: There is only one thread of the host.
        let old = unsafe { *self.0.get() };

        // SAFETY: As above.
        unsafe { *self.0.get() = change(old) };
        machine::exchanged(self.as_ptr().addr(), O::ORDER);
        old
    }

    pub fn load<O: Ordering>(&self, _: O) -> T {
        // SAFETY: `self` is valid.
        unsafe { load(self.as_ptr(), O::ORDER) }
    }

    pub fn store<O: Ordering>(&self, value: T, _: O) {
        // SAFETY: `self` is valid.
        unsafe { store(self.as_ptr(), value, O::ORDER) };
    }

    pub fn xchg<O: Ordering>(&self, value: T, order: O) -> T {
        self.exchange("xchg", order, |_| value)
    }
}

impl<T: AtomicType> Atomic<T> {
    pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, order: O) -> Result<T, T> {
        let is_same = |one: T, other: T| {
            let bytes = |value: &T| {
                // SAFETY: A value of an atomic type has no padding.
                unsafe {
                    std::slice::from_raw_parts(
                        std::ptr::from_ref(value).cast::<u8>(),
                        size_of::<T>(),
                    )
                }
                .to_vec()
            };
            bytes(&one) == bytes(&other)
        };

        machine::step("cmpxchg");
        machine::check(self, "cmpxchg");
        // SAFETY: There is only one thread of the host.
        let found = unsafe { *self.0.get() };
        if !is_same(found, old) {
            // A failed exchange has no ordering.
            machine::loaded(self.as_ptr().addr(), Order::Relaxed);
            return Err(found);
        }
        // SAFETY: As above.
        unsafe { *self.0.get() = new };
        machine::exchanged(self.as_ptr().addr(), order_of(order));
        Ok(found)
    }
}

fn order_of<O: Ordering>(_: O) -> Order {
    O::ORDER
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Atomic<$type> {
            pub fn fetch_add<O: Ordering>(&self, value: $type, order: O) -> $type {
                self.exchange("fetch_add", order, |old| old.wrapping_add(value))
            }

            pub fn fetch_sub<O: Ordering>(&self, value: $type, order: O) -> $type {
                self.exchange("fetch_sub", order, |old| old.wrapping_sub(value))
            }
        }
    )* };
}

numbers!(i32 u32 i64 u64 usize isize);

unsafe fn load<T: Copy>(pointer: *mut T, order: Order) -> T {
    machine::step("load");
    machine::check(pointer, "a load");
    machine::loaded(pointer.addr(), order);
    // SAFETY: The caller has a valid pointer, and there is only one thread of the host.
    unsafe { *pointer }
}

unsafe fn store<T: Copy>(pointer: *mut T, value: T, order: Order) {
    machine::step("store");
    machine::check(pointer, "a store");
    machine::stored(pointer.addr(), order);
    // SAFETY: The caller has a valid pointer, and there is only one thread of the host.
    unsafe { *pointer = value };
}

/// # Safety
///
/// As in the `kernel` crate.
pub unsafe fn atomic_load<T: Copy, O: Ordering>(pointer: *mut T, _: O) -> T {
    // SAFETY: The caller guarantees that `pointer` is valid for an atomic read.
    unsafe { load(pointer, O::ORDER) }
}

/// Replaces volatile accesses, see build.rs.
pub trait Volatile<T> {
    /// # Safety
    ///
    /// As for `read_volatile()`.
    unsafe fn model_read(self) -> T;
}

impl<T: Copy> Volatile<T> for *const T {
    unsafe fn model_read(self) -> T {
        // SAFETY: The caller guarantees that `self` is valid for reads.
        unsafe { load(self.cast_mut(), Order::Relaxed) }
    }
}

impl<T: Copy> Volatile<T> for *mut T {
    unsafe fn model_read(self) -> T {
        // SAFETY: The caller guarantees that `self` is valid for reads.
        unsafe { load(self, Order::Relaxed) }
    }
}

pub trait VolatileMut<T> {
    /// # Safety
    ///
    /// As for `write_volatile()`.
    unsafe fn model_write(self, value: T);
}

impl<T: Copy> VolatileMut<T> for *mut T {
    unsafe fn model_write(self, value: T) {
        // SAFETY: The caller guarantees that `self` is valid for writes.
        unsafe { store(self, value, Order::Relaxed) };
    }
}
