// SPDX-License-Identifier: GPL-2.0

//! Whether the freezer freezes a thread.
//!
//! C header: [`include/linux/freezer.h`](srctree/include/linux/freezer.h)

use kernel::{
    bindings,
    task::Task, //
};

/// Exempts the current thread from freezing, which is the default of kernel threads.
pub(super) fn set_nofreeze() {
    // SAFETY: The current task is alive, and only it writes its flags.
    unsafe { (*Task::current_raw()).flags |= bindings::PF_NOFREEZE };
}

/// Lets the freezer freeze the current thread, unlike other kernel threads.
///
/// Sleeps in the refrigerator if tasks are being frozen, and returns whether it did.
pub(super) fn set_freezable() -> bool {
    #[cfg(CONFIG_FREEZER)]
    // SAFETY: The function changes the flags of the current task, and may sleep.
    return unsafe { kernel::bindings::set_freezable() };
    #[cfg(not(CONFIG_FREEZER))]
    false
}
