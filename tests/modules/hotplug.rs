// SPDX-License-Identifier: GPL-2.0

//! Per-CPU threads that are woken all the time, and log their counters.

#[path = "../../kthread/mod.rs"]
mod kthread;

use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::Delta, //
};
use kthread::{
    PerCpuThread,
    PerCpuThreads,
    Thread,
    ThreadGroup,
    Wake, //
};

module! {
    type: Hotplug,
    name: "kthread_hotplug",
    authors: ["The rust_kthread_demo authors"],
    description: "Per-CPU threads for CPU hotplug",
    license: "GPL",
}

/// The counters of a thread.
#[derive(Clone, Copy)]
enum Call {
    Setup,
    Run,
    Park,
    Unpark,
    /// Events on a CPU other than the thread's.
    Elsewhere,
}

/// By CPU.
struct Counter(KVec<[Atomic<usize>; 5]>);

impl_has_slot!(Counter);

impl Counter {
    fn new() -> Result<Self> {
        let mut calls = KVec::new();

        for _ in 0..nr_cpu_ids() {
            calls.push(core::array::from_fn(|_| Atomic::new(0)), GFP_KERNEL)?;
        }
        Ok(Self(calls))
    }

    fn counter(&self, cpu: CpuId, call: Call) -> Option<&Atomic<usize>> {
        self.0.get(cpu.as_u32() as usize)?.get(call as usize)
    }

    fn add(&self, cpu: CpuId, call: Call) {
        if let Some(counter) = self.counter(cpu, call) {
            counter.fetch_add(1, Relaxed);
        }
    }

    fn count(&self, cpu: CpuId, call: Call) {
        self.add(cpu, call);
        if CpuId::current() != cpu {
            self.add(cpu, Call::Elsewhere);
        }
    }
}

impl PerCpuThread for Counter {
    fn setup(&self, cpu: CpuId) {
        self.count(cpu, Call::Setup);
    }

    fn run(&self, cpu: CpuId) {
        self.count(cpu, Call::Run);
    }

    fn park(&self, cpu: CpuId) {
        self.count(cpu, Call::Park);
    }

    fn unpark(&self, cpu: CpuId) {
        self.count(cpu, Call::Unpark);
    }

    fn cleanup(&self, cpu: CpuId, _online: bool) {
        let count = |call| {
            self.counter(cpu, call)
                .map_or(0, |calls| calls.load(Relaxed))
        };

        pr_info!(
            "{}: {} setups, {} runs, {} parks, {} unparks, {} elsewhere\n",
            cpu.as_u32(),
            count(Call::Setup),
            count(Call::Run),
            count(Call::Park),
            count(Call::Unpark),
            count(Call::Elsewhere)
        );
    }
}

struct Hotplug {
    _waker: Thread<()>,
    _threads: ThreadGroup,
}

impl kernel::Module for Hotplug {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is dropped with the module's value, or at the end of this function, while
        // the module is loaded.
        let group = unsafe { ThreadGroup::new()? };
        let threads = PerCpuThreads::register(&group, fmt!("percpu"), Counter::new()?)?;

        Ok(Self {
            _waker: group.spawn(fmt!("percpu-waker"), move |ctx| {
                while ctx.wait_timeout(Delta::from_millis(10)) != Wake::Stop {
                    for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
                        threads.wake(cpu);
                    }
                }
            })?,
            _threads: group,
        })
    }
}
