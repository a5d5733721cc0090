// SPDX-License-Identifier: GPL-2.0

//! What feeds the kernel's random number generator, for which the kernel crate has nothing.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use super::kthread::Context;
use kernel::bindings;

/// Mixes `bytes` into the pool, and credits as many bits of entropy.
///
/// Sleeps until there is need for more, for up to a minute, unless the thread has been asked to
/// stop: that ends the sleep.
///
/// Wraps `add_hwgenerator_randomness()` of [`drivers/char/random.c`](srctree/drivers/char/random.c).
pub(crate) fn add_hwgenerator_randomness(_ctx: &Context<'_>, bytes: &[u8], entropy: usize) {
    // SAFETY: The bytes are as many. What C asks of itself, whether it is to stop, it may, as only
    // a kernel thread has a context.
    unsafe {
        bindings::add_hwgenerator_randomness(bytes.as_ptr().cast(), bytes.len(), entropy, true)
    }
}
