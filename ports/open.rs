// SPDX-License-Identifier: GPL-2.0

//! Opening files with given credentials, which [`kernel::fs`] does not provide.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/path.h`](srctree/include/linux/path.h)

use core::ptr::NonNull;
use kernel::{
    bindings,
    cred::Credential,
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// A path to a file.
///
/// # Invariants
///
/// Owns a reference to the path. Its dentry has an inode.
pub(crate) struct Path(bindings::path);

// SAFETY: A path is not bound to a task.
unsafe impl Send for Path {}

// SAFETY: A shared reference only allows reading immutable data.
unsafe impl Sync for Path {}

impl Path {
    /// Finds a file that the caller may read.
    ///
    /// Sleeps. Fails with the error of `filp_open()`.
    pub(crate) fn find(name: &CStr) -> Result<Self> {
        // SAFETY: The name is a string, and this is process context.
        let file = from_err_ptr(unsafe { bindings::filp_open(name.as_char_ptr(), 0, 0) })?;
        // SAFETY: The file is open.
        let path = unsafe { (*file).__bindgen_anon_1.f_path };

        // SAFETY: The open file has a reference to the path until it is closed below.
        unsafe {
            bindings::path_get(&raw const path);
            bindings::fput(file);
        }
        // INVARIANT: A reference has been taken, and an open file has an inode.
        Ok(Self(path))
    }

    /// Returns whether the file system is read-only.
    ///
    /// This is `IS_RDONLY(d_inode(dentry))`.
    pub(crate) fn is_read_only(&self) -> bool {
        // SAFETY: By the type invariants the dentry and its inode are valid.
        let flags = unsafe { (*(*(*self.0.dentry).d_inode).i_sb).s_flags };

        // `SB_RDONLY`, a macro that the bindings lack.
        flags & 1 != 0
    }

    /// Opens the file with the rights of `cred`.
    ///
    /// Sleeps. Fails with the error of the file system, such as [`EACCES`].
    ///
    /// Wraps `dentry_open()`.
    pub(crate) fn open(&self, flags: u32, cred: &Credential) -> Result<ARef<File>> {
        // SAFETY: By the type invariants the path is valid, and so is `cred`.
        let file = from_err_ptr(unsafe {
            // CAST: The flags are bits.
            bindings::dentry_open(&raw const self.0, flags as c_int, cred.as_ptr())
        })?;
        // SAFETY: The file is not null, the caller owns a reference, and it has no descriptor yet.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
    }

    /// Opens the file with the rights of the current task.
    ///
    /// Sleeps. Fails as [`Path::open`] does.
    pub(crate) fn open_as_current(&self, flags: u32) -> Result<ARef<File>> {
        // SAFETY: Only the task itself changes its credentials.
        let cred = unsafe { Credential::from_ptr((*Task::current_raw()).cred) };

        self.open(flags, cred)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this owns a reference.
        unsafe { bindings::path_put(&raw const self.0) }
    }
}

/// Returns credentials without privileges.
///
/// Sleeps. Fails with [`ENOMEM`].
///
/// Wraps `prepare_kernel_cred()`.
pub(crate) fn nobody() -> Result<ARef<Credential>> {
    // SAFETY: The current task is valid.
    let cred = unsafe { bindings::prepare_kernel_cred(Task::current_raw()) };
    let cred = NonNull::new(cred).ok_or(ENOMEM)?;

    // SAFETY: The credentials are new, with a single reference, which this owns.
    unsafe {
        (*cred.as_ptr()).fsuid.val = 65534;
        (*cred.as_ptr()).cap_effective.val = 0;
        Ok(ARef::from_raw(cred.cast()))
    }
}

/// Calls `f` with the rights of `cred`.
///
/// Does what `override_creds()` and `revert_creds()` do.
pub(crate) fn with_rights_of<R>(cred: &Credential, f: impl FnOnce() -> R) -> R {
    let current = Task::current_raw();
    // SAFETY: Only the task itself changes its credentials, and `cred` outlives the call of `f`.
    let old = unsafe { core::mem::replace(&mut (*current).cred, cred.as_ptr()) };
    let result = f();

    // SAFETY: As above, and the task still has a reference to the old credentials.
    unsafe { (*current).cred = old };
    result
}
