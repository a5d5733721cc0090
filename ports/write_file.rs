// SPDX-License-Identifier: GPL-2.0

//! Writing a file, which [`kernel::fs`] does not provide.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// Writes `text` to the file at `path`.
///
/// Sleeps. Fails with the error of the file system.
///
/// Wraps `filp_open()`, `kernel_write()` and `filp_close()`.
pub(crate) fn write_file(path: &CStr, text: &str) -> Result {
    // SAFETY: The path is a string, and this is process context.
    let file = from_err_ptr(unsafe {
        bindings::filp_open(path.as_char_ptr(), bindings::O_WRONLY as c_int, 0)
    })?;
    let mut pos = 0;

    // SAFETY: The file is open, and the length is that of the text.
    let written =
        unsafe { bindings::kernel_write(file, text.as_ptr().cast(), text.len(), &raw mut pos) };
    // SAFETY: The file is open, and not used after that.
    unsafe { bindings::filp_close(file, core::ptr::null_mut()) };
    // CAST: The value is an errno or a number of bytes.
    to_result(written.min(0) as c_int)
}
