// SPDX-License-Identifier: GPL-2.0

//! A platform device for the sample with a platform driver.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

module! {
    type: Board,
    name: "kthread_board",
    authors: ["The rust_kthread_demo authors"],
    description: "A platform device for kthread_device",
    license: "GPL",
}

struct Board {
    device: NonNull<bindings::platform_device>,
}

// SAFETY: Any task may unregister a device.
unsafe impl Send for Board {}

// SAFETY: A reference gives no access.
unsafe impl Sync for Board {}

impl kernel::Module for Board {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let info = bindings::platform_device_info {
            name: c"kthread_device".as_char_ptr(),
            id: bindings::PLATFORM_DEVID_NONE,
            ..Default::default()
        };
        // SAFETY: `info` is valid, and the function copies what it points to.
        let device = from_err_ptr(unsafe { bindings::platform_device_register_full(&info) })?;

        Ok(Self {
            device: NonNull::new(device).ok_or(ENODEV)?,
        })
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: `init` has registered the device.
        unsafe { bindings::platform_device_unregister(self.device.as_ptr()) };
    }
}
