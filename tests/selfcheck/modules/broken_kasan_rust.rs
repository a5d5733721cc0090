// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: it reads memory after it was freed.

use kernel::prelude::*;

module! {
    type: Broken,
    name: "broken_kasan_rust",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

struct Broken;

#[inline(never)]
fn read_freed() -> Result<u8> {
    let freed = KBox::into_raw(KBox::new([0u8; 64], GFP_KERNEL)?);
    // SAFETY: It comes from `into_raw()`.
    drop(unsafe { KBox::from_raw(freed) });
    // SAFETY: Not upheld, on purpose.
    Ok(unsafe { freed.cast::<u8>().add(8).read_volatile() })
}

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        read_freed()?;
        Ok(Broken)
    }
}
