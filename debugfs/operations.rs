// SPDX-License-Identifier: GPL-2.0

//! The functions that debugfs calls when a file is used.

use super::{
    Show,
    Store, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_result,
    fmt,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            atomic_load,
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

/// The module that contains this code.
const MODULE: *mut bindings::module = &raw mut bindings::__this_module;

/// The functions of a file, without their types.
pub(super) trait Contents: Send + Sync {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn store(&self, reader: UserSliceReader) -> Result;
}

/// The data of a read-only file.
pub(super) struct ReadOnly<F: Show>(pub(super) Arc<F::Data>);

impl<F: Show> Contents for ReadOnly<F> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        F::show(&self.0, f)
    }

    fn store(&self, _: UserSliceReader) -> Result {
        Err(EINVAL)
    }
}

/// The data of a file that can be read and written.
pub(super) struct ReadWrite<F: Store>(pub(super) Arc<F::Data>);

impl<F: Store> Contents for ReadWrite<F> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        F::show(&self.0, f)
    }

    fn store(&self, reader: UserSliceReader) -> Result {
        F::store(&self.0, reader)
    }
}

/// The data that the inode of a file points to.
pub(super) type Private = KBox<dyn Contents>;

const READ: bindings::file_operations = bindings::file_operations {
    owner: MODULE,
    open: Some(open),
    read: Some(bindings::seq_read),
    llseek: Some(bindings::seq_lseek),
    release: Some(bindings::single_release),
    ..pin_init::zeroed()
};

const READ_WRITE: bindings::file_operations = bindings::file_operations {
    write: Some(write),
    ..READ
};

/// The file operations of all files of a tree.
///
/// Unlike others, they are not part of the module. If nobody opened a file before,
/// `__debugfs_file_get()` of linux 7.3 reads the operations before it checks whether the file has
/// been removed. A task with a reference to the dentry, from `O_PATH` or because it is opening the
/// file, may get there long after the module is gone. Then it only compares some of the pointers
/// with null: it neither uses the owner nor calls anything.
///
/// # Invariants
///
/// `tables` is a separate allocation. When this is dropped, nobody has a reference to the dentry of
/// a file that uses it, unless `kept` is set.
pub(super) struct Operations {
    tables: NonNull<[bindings::file_operations; 2]>,
    kept: Atomic<bool>,
}

// SAFETY: The tables do not change, and belong to no task.
unsafe impl Send for Operations {}

// SAFETY: The tables do not change, and belong to no task.
unsafe impl Sync for Operations {}

impl Operations {
    pub(super) fn new() -> Result<Self> {
        let tables = KBox::new([READ, READ_WRITE], GFP_KERNEL)?;

        // INVARIANT: The box has been consumed, and there is no file yet.
        Ok(Self {
            tables: NonNull::from(KBox::leak(tables)),
            kept: Atomic::new(false),
        })
    }

    /// For files whose private data is a [`Private`].
    pub(super) fn read_only(&self) -> *const bindings::file_operations {
        self.tables.as_ptr().cast_const().cast()
    }

    /// For files whose private data is a [`Private`] that can be written.
    pub(super) fn read_write(&self) -> *const bindings::file_operations {
        self.read_only().wrapping_add(1)
    }

    /// Keeps the tables for ever, because someone has a reference to a removed file.
    pub(super) fn keep(&self) {
        self.kept.store(true, Relaxed);
    }
}

impl Drop for Operations {
    /// Sleeps.
    fn drop(&mut self) {
        let tables = self.tables.as_ptr();

        if self.kept.load(Relaxed) {
            not_a_leak(tables.cast_const().cast());
            return;
        }
        // A task that dropped a reference had finished its reads before. CPUs that order loads
        // before later stores guarantee that. On others it holds after a grace period.
        if !cfg!(CONFIG_X86) {
            // SAFETY: This is process context.
            unsafe { bindings::synchronize_rcu() };
        }
        // SAFETY: By the type invariants this is an allocation that nobody can reach any more.
        drop(unsafe { KBox::from_raw(tables) });
    }
}

/// Tells kmemleak that memory is meant to stay.
#[doc(alias = "kmemleak_not_leak")]
fn not_a_leak(_memory: *const c_void) {
    #[cfg(CONFIG_DEBUG_KMEMLEAK)]
    {
        extern "C" {
            fn kmemleak_not_leak(ptr: *const c_void);
        }
        // SAFETY: This only looks up the address.
        unsafe { kmemleak_not_leak(_memory) };
    }
}

/// # Safety
///
/// Must only be called as `open` of a file whose inode points to a [`Private`] that is valid during
/// the reads and writes of the file.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The module is valid, as this is its code. Its state may change during the read, as
    // for readers in C.
    let state = unsafe { atomic_load(&raw mut (*MODULE).state, Relaxed) };

    // A module whose init fails is freed even if its files are open.
    if state != bindings::module_state_MODULE_STATE_LIVE {
        return ENXIO.to_errno();
    }
    // SAFETY: `file` is about to be opened, and `show` gets the pointer that it expects.
    unsafe { bindings::single_open(file, Some(show), (*inode).i_private) }
}

/// # Safety
///
/// Must only be called by the `seq_file` that [`open`] has set up, during a read.
unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    struct Shown<'a>(&'a dyn Contents);

    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.show(f)
        }
    }

    // SAFETY: `private` is what `open` passed, which stays valid during reads.
    let contents = unsafe { &*(*seq).private.cast::<Private>() };
    // SAFETY: `seq` is valid during this call.
    let seq = unsafe { SeqFile::from_raw(seq) };

    seq_print!(seq, "{}", Shown(&**contents));
    0
}

/// # Safety
///
/// Must only be called as `write` of a file that [`open`] has opened.
unsafe extern "C" fn write(
    file: *mut bindings::file,
    buffer: *const c_char,
    count: usize,
    _offset: *mut bindings::loff_t,
) -> isize {
    // SAFETY: `single_open()` has made the private data of `file` a `seq_file`, whose own private
    // data is what `open` passed, which stays valid during writes.
    let contents = unsafe {
        let seq = (*file).private_data.cast::<bindings::seq_file>();
        &*(*seq).private.cast::<Private>()
    };
    let reader = UserSlice::new(UserPtr::from_ptr(buffer.cast_mut().cast()), count).reader();

    from_result(|| {
        contents.store(reader)?;
        // CAST: `count` is at most `MAX_RW_COUNT`.
        Ok(count as isize)
    })
}
