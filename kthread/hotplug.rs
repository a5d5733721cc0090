// SPDX-License-Identifier: GPL-2.0

//! Keeping CPU hotplug off, and who must not do that.

use super::errno::edeadlk;
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::Cpumask,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    task::{
        might_sleep,
        Task, //
    },
    types::ScopeGuard, //
};

/// The function that the kernel runs in per-CPU threads, once one of ours has told it.
static SMPBOOT_THREAD_FN: Atomic<usize> = Atomic::new(0);

/// Returns the function that the current kernel thread runs, or zero if it is none.
fn current_thread_fn() -> usize {
    // SAFETY: The current task is alive.
    unsafe { bindings::kthread_func(Task::current_raw()) }.addr()
}

/// Says that the current task is a per-CPU thread of the kernel.
pub(super) fn set_percpu_thread() {
    SMPBOOT_THREAD_FN.store(current_thread_fn(), Relaxed);
}

/// Returns whether the caller is a per-CPU thread, for which CPU hotplug may wait.
///
/// Those of the kernel's own are known once there has been one of ours.
pub(super) fn is_percpu_thread() -> bool {
    let own = current_thread_fn();

    // The function is part of the kernel itself, so that this address is never another's.
    own != 0 && own == SMPBOOT_THREAD_FN.load(Relaxed)
}

/// Keeps CPUs from coming and going until the guard is dropped.
///
/// Fails with [`EDEADLK`] if the caller must not wait for that. Sleeps.
///
/// No code of users may run meanwhile: it might do the same.
pub(super) fn lock() -> Result<impl Drop> {
    might_sleep();
    if is_percpu_thread() {
        return Err(edeadlk());
    }
    #[cfg(CONFIG_HOTPLUG_CPU)]
    // SAFETY: This may sleep, and the caller is none for which CPU hotplug waits.
    unsafe {
        bindings::cpus_read_lock()
    };
    Ok(ScopeGuard::new(|| {
        #[cfg(CONFIG_HOTPLUG_CPU)]
        // SAFETY: It has been locked above, by the current task.
        unsafe {
            bindings::cpus_read_unlock()
        };
    }))
}

/// Checks that `cpu` is online, and so possible.
pub(super) fn check_online(cpu: CpuId) -> Result {
    // SAFETY: The mask is there since boot, and C changes it with atomic operations only.
    let online = unsafe { Cpumask::from_raw(&raw const bindings::__cpu_online_mask) };

    if !online.test(cpu) {
        return Err(ENODEV);
    }
    Ok(())
}
