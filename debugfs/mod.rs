// SPDX-License-Identifier: GPL-2.0

//! Debugfs files that pin their module while they are open.
//!
//! [`kernel::debugfs`] leaves the owner of its file operations empty. A file of a module that is
//! still open when the module is removed is then released through operations that have been freed.
//! It also keeps silent about directories and files that could not be made. This module does the
//! little that the demo needs, with an owner and with errors.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

use core::marker::PhantomData;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        from_result, //
    },
    fmt,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

/// Stands for `struct module`, which the compiler does not take for a type of C.
#[repr(C)]
struct ThisModule([u8; 0]);

extern "C" {
    static __this_module: ThisModule;
}

/// The module that this is part of.
const MODULE: *mut bindings::module = (&raw const __this_module).cast_mut().cast();

/// An entry of debugfs, which is removed when this is dropped.
///
/// # Invariants
///
/// The pointer is a directory or file of debugfs that nobody else removes.
struct Entry(*mut bindings::dentry);

// SAFETY: A dentry belongs to no task.
unsafe impl Send for Entry {}

// SAFETY: `&Entry` gives no access but the pointer, and debugfs locks what it does with that.
unsafe impl Sync for Entry {}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::debugfs_remove(self.0) }
    }
}

/// A directory of debugfs.
///
/// It is removed when it and all that was made in it have been dropped.
pub struct Dir {
    entry: Entry,
    // Removed after `entry`.
    _parent: Option<Arc<Dir>>,
}

impl Dir {
    /// Makes a directory, in `parent` or else at the root of debugfs.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`].
    pub fn new(name: &CStr, parent: Option<Arc<Dir>>) -> Result<Arc<Self>> {
        let parent_entry = parent
            .as_ref()
            .map_or(core::ptr::null_mut(), |parent| parent.entry.0);
        // SAFETY: `name` is a C string, and `parent_entry` is null or a directory that lives on.
        let dentry = from_err_ptr(unsafe {
            bindings::debugfs_create_dir(name.as_char_ptr(), parent_entry)
        })?;

        // INVARIANT: The directory was made just now.
        let entry = Entry(dentry);
        Ok(Arc::new(
            Self {
                entry,
                _parent: parent,
            },
            GFP_KERNEL,
        )?)
    }
}

/// What a read of a file shows.
pub trait Show {
    /// What the file is about.
    type Data: Send + Sync + 'static;

    /// Writes the contents of the file.
    ///
    /// May be called again, with a larger buffer, in the course of one read.
    fn show(data: &Self::Data, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What a write to a file does.
pub trait Store: Show {
    /// Takes what one call of `write(2)` wrote.
    fn store(data: &Self::Data, reader: UserSliceReader) -> Result;
}

/// A file of debugfs, which is removed when this is dropped.
///
/// It can be opened once the module has been loaded: while that may still fail, an open file would
/// outlive the module.
///
/// Dropping waits for reads and writes that are under way, so it must not be done by one of them.
pub struct File<D: 'static> {
    _entry: Entry,
    // Dropped after the entry.
    _data: Arc<D>,
    _dir: Arc<Dir>,
}

impl<D: Send + Sync + 'static> File<D> {
    /// Makes a file with mode 0400.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`].
    pub fn read_only<F: Show<Data = D>>(name: &CStr, dir: &Arc<Dir>, data: Arc<D>) -> Result<Self> {
        // SAFETY: The operations expect the data of `F`.
        unsafe { Self::new(name, dir, data, 0o400, &Operations::<F>::READ) }
    }

    /// Makes a file with mode 0600.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`].
    pub fn read_write<F: Store<Data = D>>(
        name: &CStr,
        dir: &Arc<Dir>,
        data: Arc<D>,
    ) -> Result<Self> {
        // SAFETY: The operations expect the data of `F`.
        unsafe { Self::new(name, dir, data, 0o600, &Operations::<F>::READ_WRITE) }
    }

    /// # Safety
    ///
    /// `operations` must expect a pointer to `D`.
    unsafe fn new(
        name: &CStr,
        dir: &Arc<Dir>,
        data: Arc<D>,
        mode: bindings::umode_t,
        operations: &'static bindings::file_operations,
    ) -> Result<Self> {
        // SAFETY:
        // - `name` is a C string, and the directory lives on.
        // - `data` outlives the file, because it is dropped after the entry.
        // - The operations suit the data, by the requirements of this function. They are part of the
        //   module, which is their owner.
        let dentry = from_err_ptr(unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                dir.entry.0,
                Arc::as_ptr(&data).cast_mut().cast(),
                core::ptr::null(),
                operations,
            )
        })?;

        Ok(Self {
            // INVARIANT: The file was made just now.
            _entry: Entry(dentry),
            _data: data,
            _dir: dir.clone(),
        })
    }
}

/// The file operations for `F`.
struct Operations<F>(PhantomData<F>);

impl<F: Show> Operations<F> {
    const READ: bindings::file_operations = bindings::file_operations {
        owner: MODULE,
        open: Some(open::<F>),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };
}

impl<F: Store> Operations<F> {
    const READ_WRITE: bindings::file_operations = bindings::file_operations {
        write: Some(write::<F>),
        ..Self::READ
    };
}

/// # Safety
///
/// Must only be called as `open` of a file whose inode has a pointer to `F::Data`, valid during the
/// reads and writes of the file.
unsafe extern "C" fn open<F: Show>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: The module is there, as this is its code. Its state may change under the read, as it
    // may for C's own readers.
    let state = unsafe { (&raw const (*MODULE).state).read_volatile() };

    // A module whose init fails is freed, whoever has its files open.
    if state != bindings::module_state_MODULE_STATE_LIVE {
        return ENXIO.to_errno();
    }
    // SAFETY: `file` is about to be opened, and `show` gets the pointer that it expects.
    unsafe { bindings::single_open(file, Some(show::<F>), (*inode).i_private) }
}

/// # Safety
///
/// Must only be called by the `seq_file` that [`open`] has set up, during a read.
unsafe extern "C" fn show<F: Show>(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    struct Shown<'a, F: Show>(&'a F::Data);

    impl<F: Show> fmt::Display for Shown<'_, F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            F::show(self.0, f)
        }
    }

    // SAFETY: `private` is what `open` passed, which debugfs keeps valid during reads.
    let data = unsafe { &*(*seq).private.cast::<F::Data>() };
    // SAFETY: `seq` is valid during this call.
    let seq = unsafe { SeqFile::from_raw(seq) };

    seq_print!(seq, "{}", Shown::<F>(data));
    0
}

/// # Safety
///
/// Must only be called as `write` of a file that [`open`] has opened.
unsafe extern "C" fn write<F: Store>(
    file: *mut bindings::file,
    buffer: *const c_char,
    count: usize,
    _offset: *mut bindings::loff_t,
) -> isize {
    // SAFETY: `single_open()` has made the private data of `file` a `seq_file`, whose own private
    // data is what `open` passed, which debugfs keeps valid during writes.
    let data = unsafe {
        let seq = (*file).private_data.cast::<bindings::seq_file>();
        &*(*seq).private.cast::<F::Data>()
    };
    let reader = UserSlice::new(UserPtr::from_ptr(buffer.cast_mut().cast()), count).reader();

    from_result(|| {
        F::store(data, reader)?;
        // CAST: `count` is at most `MAX_RW_COUNT`.
        Ok(count as isize)
    })
}
