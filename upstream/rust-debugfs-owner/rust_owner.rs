// SPDX-License-Identifier: GPL-2.0

//! A file of `kernel::debugfs`, as a module has it whose author made no mistake.

use kernel::{debugfs, prelude::*};

module! {
    type: Owner,
    name: "rust_owner",
    authors: ["Lab"],
    description: "A file of kernel::debugfs",
    license: "GPL",
}

#[cfg(debugfs_owner)]
type Dir = debugfs::Dir<LocalModule>;
#[cfg(not(debugfs_owner))]
type Dir = debugfs::Dir;

#[pin_data]
struct Owner {
    #[pin]
    file: debugfs::File<u32>,
}

impl kernel::InPlaceModule for Owner {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let dir = Dir::new(c"rust_owner");
        try_pin_init!(Self {
            file <- dir.read_only_file(c"file", 1),
        })
    }
}
