// SPDX-License-Identifier: GPL-2.0

//! A dedicated workqueue, for which [`kernel::workqueue`] has no type.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    workqueue::Queue, //
};

/// An unbound workqueue with files in sysfs.
///
/// Dropping it runs everything that is queued.
///
/// # Invariants
///
/// The workqueue is valid, and only this destroys it.
pub(crate) struct OwnQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A workqueue is not bound to a task.
unsafe impl Send for OwnQueue {}

// SAFETY: A shared reference only gives access to [`Queue`], which is `Sync`.
unsafe impl Sync for OwnQueue {}

impl OwnQueue {
    /// Creates the workqueue.
    ///
    /// Sleeps. Fails with [`ENOMEM`].
    ///
    /// Wraps `alloc_workqueue()`.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_SYSFS;
        // SAFETY: The format takes one string, which is static.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), flags, 0, name.as_char_ptr())
        };

        // INVARIANT: The workqueue is new.
        Ok(Self(NonNull::new(queue).ok_or(ENOMEM)?))
    }
}

impl Deref for OwnQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariants the workqueue is valid while this is borrowed.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the workqueue is valid, and queueing to it would borrow this.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) }
    }
}
