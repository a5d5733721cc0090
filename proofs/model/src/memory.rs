// SPDX-License-Identifier: GPL-2.0

//! `Arc`, `KBox` and `KVec`, which report freed memory to the machine.

use crate::{
    error::{code::ENOMEM, Error, Result},
    machine::{self, Clock},
    PinInit,
};
use std::{
    alloc::Layout,
    marker::{PhantomData, Unsize},
    mem::offset_of,
    ops::{CoerceUnsized, Deref, DerefMut, DispatchFromDyn},
    pin::Pin,
    ptr::NonNull,
};

#[derive(Clone, Copy)]
pub struct Flags;

fn allocate<T>() -> Result<*mut T> {
    let layout = Layout::new::<T>();

    if layout.size() > 0 && !machine::has_memory() {
        return Err(ENOMEM);
    }
    machine::allocated();
    Ok(match layout.size() {
        0 => NonNull::dangling().as_ptr(),
        // SAFETY: The size is not zero.
        _ => unsafe { std::alloc::alloc(layout).cast() },
    })
}

#[repr(C)]
struct Inner<T: ?Sized> {
    count: usize,
    clock: Clock,
    value: T,
}

pub struct Arc<T: ?Sized> {
    inner: NonNull<Inner<T>>,
    _owns: PhantomData<Inner<T>>,
}

impl<T: ?Sized + Unsize<U>, U: ?Sized> CoerceUnsized<Arc<U>> for Arc<T> {}
impl<T: ?Sized + Unsize<U>, U: ?Sized> DispatchFromDyn<Arc<U>> for Arc<T> {}

// SAFETY: As in the `kernel` crate.
unsafe impl<T: ?Sized + Send + Sync> Send for Arc<T> {}

// SAFETY: As in the `kernel` crate.
unsafe impl<T: ?Sized + Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    pub fn new(value: T, flags: Flags) -> Result<Self> {
        Self::pin_init::<std::convert::Infallible>(value, flags)
    }

    pub fn pin_init<E>(init: impl PinInit<T, E>, _: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        let inner = allocate::<Inner<T>>()?;

        // SAFETY: The memory was just allocated.
        unsafe {
            (&raw mut (*inner).count).write(1);
            (&raw mut (*inner).clock).write(Clock::new());
            if let Err(error) = init.__pinned_init(&raw mut (*inner).value) {
                machine::free(inner.cast(), Layout::new::<Inner<T>>());
                return Err(error.into());
            }
            Ok(Self {
                inner: NonNull::new_unchecked(inner),
                _owns: PhantomData,
            })
        }
    }

    /// # Safety
    ///
    /// As in the `kernel` crate.
    pub unsafe fn from_raw(pointer: *const T) -> Self {
        machine::check(pointer, "an Arc");
        // SAFETY: The caller guarantees that `pointer` is from `into_raw()`.
        unsafe {
            Self {
                inner: NonNull::new_unchecked(
                    pointer
                        .byte_sub(offset_of!(Inner<T>, value))
                        .cast_mut()
                        .cast(),
                ),
                _owns: PhantomData,
            }
        }
    }

    pub fn into_unique_or_drop(this: Self) -> Option<()> {
        // SAFETY: The allocation is valid.
        let is_last = unsafe { (*this.inner.as_ptr()).count == 1 };

        drop(this);
        is_last.then_some(())
    }
}

impl<T: ?Sized> Arc<T> {
    pub fn as_ptr(this: &Self) -> *const T {
        // SAFETY: The allocation is valid.
        unsafe { &raw const (*this.inner.as_ptr()).value }
    }

    pub fn into_raw(this: Self) -> *const T {
        Self::as_ptr(&std::mem::ManuallyDrop::new(this))
    }

    pub fn ptr_eq(one: &Self, other: &Self) -> bool {
        std::ptr::addr_eq(Self::as_ptr(one), Self::as_ptr(other))
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        machine::check(self.inner.as_ptr(), "an Arc");
        // SAFETY: The allocation is valid.
        unsafe { &(*self.inner.as_ptr()).value }
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        machine::check(self.inner.as_ptr(), "an Arc");
        // SAFETY: The allocation is valid.
        unsafe { (*self.inner.as_ptr()).count += 1 };
        Self {
            inner: self.inner,
            _owns: PhantomData,
        }
    }
}

impl<T: ?Sized> Drop for Arc<T> {
    fn drop(&mut self) {
        let inner = self.inner.as_ptr();

        machine::check(inner, "an Arc");
        // SAFETY: The allocation is valid. The last reference has seen all other accesses.
        unsafe {
            assert!((*inner).count > 0);
            machine::release(&mut (*inner).clock);
            (*inner).count -= 1;
            if (*inner).count == 0 {
                machine::acquire(&(*inner).clock);
                let layout = Layout::for_value(&*inner);

                std::ptr::drop_in_place(&raw mut (*inner).value);
                std::ptr::drop_in_place(&raw mut (*inner).clock);
                machine::free(inner.cast(), layout);
            }
        }
    }
}

pub struct KBox<T: ?Sized>(NonNull<T>, PhantomData<T>);

// SAFETY: It owns its pointee.
unsafe impl<T: ?Sized + Send> Send for KBox<T> {}

// SAFETY: As above.
unsafe impl<T: ?Sized + Sync> Sync for KBox<T> {}

impl<T: ?Sized> Unpin for KBox<T> {}

impl<T> KBox<T> {
    pub fn new(value: T, _: Flags) -> Result<Self> {
        let pointer = allocate::<T>()?;

        // SAFETY: The memory was just allocated.
        unsafe {
            pointer.write(value);
            Ok(Self(NonNull::new_unchecked(pointer), PhantomData))
        }
    }

    pub fn pin_init<E>(init: impl PinInit<T, E>, _: Flags) -> Result<Pin<Self>>
    where
        Error: From<E>,
    {
        let pointer = allocate::<T>()?;

        // SAFETY: The memory was just allocated, and is not moved from here on.
        unsafe {
            if let Err(error) = init.__pinned_init(pointer) {
                machine::free(pointer.cast(), Layout::new::<T>());
                return Err(error.into());
            }
            Ok(Pin::new_unchecked(Self(
                NonNull::new_unchecked(pointer),
                PhantomData,
            )))
        }
    }
}

impl<T: ?Sized> KBox<T> {
    pub fn into_raw(this: Self) -> *mut T {
        std::mem::ManuallyDrop::new(this).0.as_ptr()
    }

    /// # Safety
    ///
    /// As in the `kernel` crate.
    pub unsafe fn from_raw(pointer: *mut T) -> Self {
        // SAFETY: The caller guarantees that `pointer` is from `into_raw()`.
        Self(unsafe { NonNull::new_unchecked(pointer) }, PhantomData)
    }
}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        machine::check(self.0.as_ptr(), "a KBox");
        // SAFETY: The allocation is valid.
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        machine::check(self.0.as_ptr(), "a KBox");
        // SAFETY: The allocation is valid.
        unsafe { self.0.as_mut() }
    }
}

impl<T: ?Sized> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: The allocation is valid.
        unsafe {
            let layout = Layout::for_value(self.0.as_ref());

            std::ptr::drop_in_place(self.0.as_ptr());
            machine::free(self.0.as_ptr().cast(), layout);
        }
    }
}

/// Its memory counts as one allocation, if it has any.
pub struct KVec<T>(Vec<T>);

pub type KVVec<T> = KVec<T>;

impl<T> KVec<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn with_capacity(count: usize, flags: Flags) -> Result<Self> {
        let mut new = Self::new();

        new.reserve(count, flags)?;
        Ok(new)
    }

    fn is_allocated(&self) -> bool {
        self.0.capacity() > 0 && size_of::<T>() > 0
    }

    /// Leaves it without memory.
    fn take(&mut self) -> Vec<T> {
        if self.is_allocated() {
            machine::freed();
        }
        std::mem::take(&mut self.0)
    }

    pub fn reserve(&mut self, more: usize, _: Flags) -> Result {
        if self.0.capacity() - self.0.len() < more {
            if !machine::has_memory() {
                return Err(ENOMEM);
            }
            if !self.is_allocated() {
                machine::allocated();
            }
            self.0.reserve(more);
        }
        Ok(())
    }

    pub fn push(&mut self, value: T, flags: Flags) -> Result {
        self.reserve(1, flags)?;
        self.0.push(value);
        Ok(())
    }

    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}

impl<T> Drop for KVec<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T: Clone> KVec<T> {
    pub fn extend_from_slice(&mut self, other: &[T], flags: Flags) -> Result {
        self.reserve(other.len(), flags)?;
        self.0.extend_from_slice(other);
        Ok(())
    }
}

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.take().into_iter()
    }
}
