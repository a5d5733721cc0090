// SPDX-License-Identifier: GPL-2.0

//! The initialisation of pin-init, without its proofs.

use crate::memory::KBox;
use std::{convert::Infallible, marker::PhantomData, mem::MaybeUninit, pin::Pin};

/// # Safety
///
/// As in the crate `pin_init`.
pub unsafe trait PinInit<T: ?Sized, E = Infallible>: Sized {
    /// # Safety
    ///
    /// As in the crate `pin_init`.
    unsafe fn __pinned_init(self, slot: *mut T) -> Result<(), E>;
}

// SAFETY: `__pinned_init` writes the value.
unsafe impl<T, E> PinInit<T, E> for T {
    unsafe fn __pinned_init(self, slot: *mut T) -> Result<(), E> {
        // SAFETY: The caller guarantees that `slot` is valid for writes.
        unsafe { slot.write(self) };
        Ok(())
    }
}

pub struct InitClosure<F, T: ?Sized, E>(F, PhantomData<fn(*mut T) -> E>);

// SAFETY: The caller of `pin_init_from_closure` guarantees that the closure initialises the slot.
unsafe impl<T: ?Sized, F: FnOnce(*mut T) -> Result<(), E>, E> PinInit<T, E>
    for InitClosure<F, T, E>
{
    unsafe fn __pinned_init(self, slot: *mut T) -> Result<(), E> {
        (self.0)(slot)
    }
}

/// # Safety
///
/// As in the crate `pin_init`.
pub unsafe fn pin_init_from_closure<T: ?Sized, E>(
    f: impl FnOnce(*mut T) -> Result<(), E>,
) -> impl PinInit<T, E> {
    InitClosure(f, PhantomData)
}

/// The first closure determines the type.
#[doc(hidden)]
pub fn __init_of<T, E>(
    _: impl Fn(T),
    f: impl FnOnce(*mut T) -> Result<(), E>,
) -> impl PinInit<T, E> {
    InitClosure(f, PhantomData)
}

#[macro_export]
macro_rules! pin_init {
    ($type:ident { $($fields:tt)* }) => {
        $crate::__init_of::<_, ::std::convert::Infallible>(
            |$type { .. }| {},
            move |slot| {
                #[allow(unused_unsafe)]
                // SAFETY: The slot is valid for writes.
                unsafe {
                    $crate::__init_fields! { slot $($fields)* }
                };
                Ok(())
            },
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __init_fields {
    ($slot:ident) => {};
    ($slot:ident $name:ident : $value:expr $(, $($rest:tt)*)?) => {
        ::core::ptr::write(&raw mut (*$slot).$name, $value);
        $crate::__init_fields! { $slot $($($rest)*)? }
    };
    ($slot:ident $name:ident <- $value:expr $(, $($rest:tt)*)?) => {
        match $crate::PinInit::<_, ::std::convert::Infallible>::__pinned_init($value, &raw mut (*$slot).$name) {
            Ok(()) => {}
            Err(never) => match never {},
        }
        $crate::__init_fields! { $slot $($($rest)*)? }
    };
    ($slot:ident $name:ident $(, $($rest:tt)*)?) => {
        ::core::ptr::write(&raw mut (*$slot).$name, $name);
        $crate::__init_fields! { $slot $($($rest)*)? }
    };
}

/// Values on a stack are freed like others, so that a late access is found.
#[macro_export]
macro_rules! stack_pin_init {
    (let $name:ident = $init:expr) => {
        let mut on_stack = match $crate::machine::with_memory(|| {
            $crate::prelude::KBox::pin_init($init, $crate::prelude::GFP_KERNEL)
        }) {
            Ok(on_stack) => on_stack,
            Err(_) => unreachable!(),
        };
        #[allow(unused_mut)]
        let mut $name = on_stack.as_mut();
    };
}

pub trait InPlaceWrite<T> {
    fn write_pin_init<E>(self, init: impl PinInit<T, E>) -> Result<(), E>;
}

impl<T> InPlaceWrite<T> for &mut MaybeUninit<T> {
    fn write_pin_init<E>(self, init: impl PinInit<T, E>) -> Result<(), E> {
        // SAFETY: The slot is valid for writes.
        unsafe { init.__pinned_init(self.as_mut_ptr()) }
    }
}
