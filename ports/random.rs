// SPDX-License-Identifier: GPL-2.0

//! Feeding the kernel's random number generator, which the kernel crate does not provide.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use super::kthread::Context;
use kernel::bindings;

/// Mixes `bytes` into the pool, and credits `entropy` bits of entropy.
///
/// Sleeps until more is needed, for up to a minute. A request to stop ends the sleep.
///
/// Wraps `add_hwgenerator_randomness()` of [`drivers/char/random.c`](srctree/drivers/char/random.c).
pub(crate) fn add_hwgenerator_randomness(_ctx: &Context<'_>, bytes: &[u8], entropy: usize) {
    // SAFETY: The length is that of `bytes`. The C function may call `kthread_should_stop()`, as only
    // a kernel thread has a context.
    unsafe {
        bindings::add_hwgenerator_randomness(bytes.as_ptr().cast(), bytes.len(), entropy, true)
    }
}
