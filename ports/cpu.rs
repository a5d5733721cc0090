// SPDX-License-Identifier: GPL-2.0

//! The online CPUs, which [`kernel::cpu`] does not provide.
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

/// Returns an iterator over the online CPUs, which checks each CPU when it gets there.
///
/// Wraps `for_each_online_cpu()`.
pub(crate) fn online_cpus() -> impl Iterator<Item = CpuId> {
    // SAFETY: The mask is static, and is read bit by bit, as in C.
    let online = unsafe { Cpumask::from_raw(&raw const bindings::__cpu_online_mask) };

    (0..nr_cpu_ids())
        .filter_map(CpuId::from_u32)
        .filter(|&cpu| online.test(cpu))
}
