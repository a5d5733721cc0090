// SPDX-License-Identifier: GPL-2.0

//! Excluding CPU hotplug, and the threads that must not do so.

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

/// The function that the kernel runs in per-CPU threads, known since one of ours has run.
static SMPBOOT_THREAD_FN: Atomic<usize> = Atomic::new(0);

/// Returns the function of the current kernel thread, or zero if the task is no kernel thread.
fn current_thread_fn() -> usize {
    // SAFETY: The current task is alive.
    unsafe { bindings::kthread_func(Task::current_raw()) }.addr()
}

/// Records that the current task is a per-CPU thread of the kernel.
pub(super) fn set_percpu_thread() {
    SMPBOOT_THREAD_FN.store(current_thread_fn(), Relaxed);
}

/// Returns whether the caller is a per-CPU thread, for which CPU hotplug may wait.
///
/// The kernel's own are recognised once one of ours has run.
pub(super) fn is_percpu_thread() -> bool {
    let own = current_thread_fn();

    // The function is part of the kernel itself, so no other function ever has this address.
    own != 0 && own == SMPBOOT_THREAD_FN.load(Relaxed)
}

/// Prevents CPUs from going online or offline until the guard is dropped.
///
/// Sleeps. Fails with [`EDEADLK`] if the caller must not wait for CPU hotplug.
///
/// No code of users may run while the guard lives: it might do the same.
pub(super) fn lock() -> Result<impl Drop> {
    might_sleep();
    if is_percpu_thread() {
        return Err(edeadlk());
    }
    #[cfg(CONFIG_HOTPLUG_CPU)]
    // SAFETY: This may sleep, and CPU hotplug does not wait for the caller.
    unsafe {
        bindings::cpus_read_lock()
    };
    Ok(ScopeGuard::new(|| {
        #[cfg(CONFIG_HOTPLUG_CPU)]
        // SAFETY: The current task took the lock above.
        unsafe {
            bindings::cpus_read_unlock()
        };
    }))
}

/// Checks that `cpu` is online, and so possible.
pub(super) fn check_online(cpu: CpuId) -> Result {
    // SAFETY: The mask exists since boot, and C changes it with atomic operations only.
    let online = unsafe { Cpumask::from_raw(&raw const bindings::__cpu_online_mask) };

    if !online.test(cpu) {
        return Err(ENODEV);
    }
    Ok(())
}
