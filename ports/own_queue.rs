// SPDX-License-Identifier: GPL-2.0

//! A workqueue of one's own, for which [`kernel::workqueue`] has no type.
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
/// All that has been queued runs before it is gone.
///
/// # Invariants
///
/// The workqueue is there, and nobody else destroys it.
pub(crate) struct OwnQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A workqueue belongs to no task.
unsafe impl Send for OwnQueue {}

// SAFETY: All that is done by a reference is done with [`Queue`], which is `Sync`.
unsafe impl Sync for OwnQueue {}

impl OwnQueue {
    /// Makes the workqueue.
    ///
    /// Sleeps. Fails with [`ENOMEM`].
    ///
    /// Wraps `alloc_workqueue()`.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_SYSFS;
        // SAFETY: The format takes one string, which lives for ever.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), flags, 0, name.as_char_ptr())
        };

        // INVARIANT: It has been made just now.
        Ok(Self(NonNull::new(queue).ok_or(ENOMEM)?))
    }
}

impl Deref for OwnQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariants it is there for as long as this is borrowed.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Nobody can queue to it any more, as that borrows this.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) }
    }
}
