// SPDX-License-Identifier: GPL-2.0

//! Which CPUs are online, which [`kernel::cpu`] does not tell.
//!
//! C header: [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h)

use kernel::{
    bindings,
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    cpumask::Cpumask, //
};

/// Returns the CPUs that are online, each as it is come to.
///
/// Wraps `for_each_online_cpu()`.
pub(crate) fn online_cpus() -> impl Iterator<Item = CpuId> {
    // SAFETY: The mask is there for ever, and is read a bit at a time, as C does it.
    let online = unsafe { Cpumask::from_raw(&raw const bindings::__cpu_online_mask) };

    (0..nr_cpu_ids())
        .filter_map(CpuId::from_u32)
        .filter(|&cpu| online.test(cpu))
}
