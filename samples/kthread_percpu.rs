// SPDX-License-Identifier: GPL-2.0

//! A thread on each CPU, which follows CPU hotplug.
//!
//! Each logs its CPU, and when that goes offline and online.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    prelude::*, //
};
use kthread::{
    PerCpuThread,
    PerCpuThreads,
    ThreadGroup, //
};

threaded_module! {
    type: KthreadPercpu,
    threads: THREADS,
    name: "kthread_percpu",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread on each CPU",
    license: "GPL",
}

/// The shared data of the threads, here none.
struct Everywhere;

impl_has_slot!(Everywhere);

impl PerCpuThread for Everywhere {
    fn run(&self, cpu: CpuId) {
        // Nobody can move the thread, so this is always the same CPU.
        let here = CpuId::current();
        pr_info!(
            "the thread of CPU {} works on CPU {}\n",
            cpu.as_u32(),
            here.as_u32()
        );
    }

    fn park(&self, cpu: CpuId) {
        pr_info!("CPU {} goes offline\n", cpu.as_u32());
    }

    fn unpark(&self, cpu: CpuId) {
        pr_info!("CPU {} is back\n", cpu.as_u32());
    }
}

struct KthreadPercpu {
    _all: PerCpuThreads<Everywhere>,
    _threads: ThreadGroup,
}

impl kernel::Module for KthreadPercpu {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let threads = ThreadGroup::for_module(&THREADS)?;
        let all = PerCpuThreads::register(&threads, fmt!("everywhere"), Everywhere)?;

        // The thread of an offline CPU runs once the CPU comes online.
        for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
            all.wake(cpu);
        }
        Ok(Self {
            _all: all,
            _threads: threads,
        })
    }
}
