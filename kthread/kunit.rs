// SPDX-License-Identifier: GPL-2.0

//! What the KUnit suites share.
//!
//! Each suite is at the bottom of the file that it tests.
//!
//! An assertion fails a test in the task that runs the test only: in any other task it only prints
//! a message. So threads return, or count, what the test asserts.

use super::{
    core::Core,
    impl_has_slot,
    Context,
    ModuleGuard,
    ModuleThreads,
    PerCpuThread,
    Thread,
    ThreadGroup,
    Wake, //
};
use ::core::ptr::NonNull;
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::CpumaskVar,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    task::Task,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// Enough rounds for a race of two CPUs to go either way.
///
/// On a kernel that checks every access or lock, a round takes ten times as long.
pub(super) const ROUNDS: usize = if cfg!(CONFIG_KASAN) || cfg!(CONFIG_PROVE_LOCKING) {
    200
} else {
    500
};

pub(super) type Count = Arc<Atomic<usize>>;

#[inline(never)]
pub(super) fn count() -> Result<Count> {
    Ok(Arc::new(Atomic::new(0), GFP_KERNEL)?)
}

/// Counts how often it is dropped.
pub(super) struct Counted(pub(super) Count);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[inline(never)]
pub(super) fn group() -> Result<ThreadGroup> {
    // SAFETY: The tests drop their groups when they end. A test that fails is killed and leaks its
    // group; this module must not be unloaded then.
    unsafe { ThreadGroup::new() }
}

/// Returns the module that these tests are part of.
pub(super) fn this_module() -> &'static ThisModule {
    #[cfg(MODULE)]
    extern "C" {
        static __this_module: c_int;
    }
    #[cfg(MODULE)]
    static THIS_MODULE: ThisModule =
        // SAFETY: Every module has this symbol, and only its address is used.
        unsafe { ThisModule::from_ptr((&raw const __this_module).cast_mut().cast()) };
    #[cfg(not(MODULE))]
    // SAFETY: Code that is built in has no module.
    static THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(::core::ptr::null_mut()) };

    &THIS_MODULE
}

/// Runs `test` with the threads of a module that has not been opened yet.
pub(super) fn with_threads(test: impl FnOnce(&'static ModuleThreads) -> Result) -> Result {
    let threads = KBox::new(ModuleThreads::new(), GFP_KERNEL)?;

    // SAFETY: When the test has ended, only leaked groups refer to it, and nobody uses these.
    test(unsafe { NonNull::from(&*threads).as_ref() })
}

pub(super) fn open(threads: &'static ModuleThreads) -> Result<ModuleGuard> {
    // SAFETY: The tests drop the guard when they end, as with a group above.
    unsafe { threads.open(this_module()) }
}

pub(super) fn until_stopped(ctx: &Context<'_>) {
    while ctx.wait() != Wake::Stop {}
}

pub(super) fn comm<T: Send>(thread: &Thread<T>) -> [u8; 16] {
    // SAFETY: `task` is alive, and nobody renames it.
    unsafe { (*thread.task().as_ptr()).comm }
}

/// A snapshot of the task structure of a thread.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    comm: [u8; 16],
    pub(super) policy: u32,
    pub(super) nice: i32,
    pub(super) rt_priority: u32,
    /// The CPUs that it may run on, one bit each.
    ///
    /// The tests run on at most 64.
    pub(super) cpus: u64,
    pub(super) mm: bool,
    pub(super) nofreeze: bool,
}

impl Seen {
    pub(super) fn comm(&self) -> &[u8] {
        self.comm.split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.policy == bindings::SCHED_FIFO
    }
}

pub(super) fn seen(core: &Core) -> Seen {
    let task = core.task().as_ptr();

    // SAFETY: `core` keeps the task. Its fields may change at any time, except the name. The mask
    // has at least one word.
    unsafe {
        let flags = atomic_load(&raw mut (*task).flags, Relaxed);

        Seen {
            comm: (*task).comm,
            policy: atomic_load(&raw mut (*task).policy, Relaxed),
            nice: atomic_load(&raw mut (*task).static_prio, Relaxed)
                - bindings::DEFAULT_PRIO as i32,
            rt_priority: atomic_load(&raw mut (*task).rt_priority, Relaxed),
            cpus: atomic_load((&raw mut (*task).cpus_mask.bits).cast::<c_ulong>(), Relaxed) as u64,
            mm: !atomic_load(&raw mut (*task).mm, Relaxed).is_null(),
            nofreeze: flags & bindings::PF_NOFREEZE != 0,
        }
    }
}

/// Lets other tasks run, in a loop that waits for them.
pub(super) fn pause() {
    fsleep(Delta::from_micros(20));
}

/// Waits until `is_so` returns true, and returns whether it did within a minute.
pub(super) fn eventually(is_so: impl Fn() -> bool) -> bool {
    let began = Instant::<Monotonic>::now();

    while !is_so() {
        if began.elapsed() > Delta::from_secs(60) {
            return false;
        }
        pause();
    }
    true
}

/// Returns whether an idle thread is asleep each time it is looked at.
pub(super) fn sleeps(task: &Task) -> bool {
    let task = task.as_ptr();
    // A woken task is not on the run queue until its CPU has processed the wake-up.
    //
    // SAFETY: The caller keeps the task. The scheduler writes both fields at once.
    let is_off = || unsafe {
        atomic_load((&raw mut (*task).on_rq).cast::<i8>(), Relaxed) == 0
            && !matches!(
                atomic_load(&raw mut (*task).__state, Relaxed),
                bindings::TASK_RUNNING | bindings::TASK_WAKING
            )
    };

    (0..20).all(|_| {
        pause();
        eventually(is_off)
    })
}

/// Takes a CPU offline or online.
pub(super) fn plug(cpu: CpuId, online: bool) -> Result {
    #[cfg(CONFIG_HOTPLUG_CPU)]
    // SAFETY: The CPU exists, and this may sleep.
    return kernel::error::to_result(unsafe {
        if online {
            bindings::add_cpu(cpu.as_u32())
        } else {
            bindings::remove_cpu(cpu.as_u32())
        }
    });
    #[cfg(not(CONFIG_HOTPLUG_CPU))]
    {
        let _ = (cpu, online);
        Err(ENODEV)
    }
}

/// Returns the CPU with the highest number, if there is more than one.
pub(super) fn last_cpu() -> Option<CpuId> {
    CpuId::from_u32(kernel::cpu::nr_cpu_ids() - 1).filter(|cpu| cpu.as_u32() > 0)
}

/// Returns a mask of these CPUs.
pub(super) fn cpus(numbers: impl IntoIterator<Item = u32>) -> Result<CpumaskVar> {
    let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;

    for cpu in numbers.into_iter().filter_map(CpuId::from_u32) {
        mask.set(cpu);
    }
    Ok(mask)
}

/// Returns a mask of all CPUs.
pub(super) fn all_cpus() -> Result<CpumaskVar> {
    cpus(0..kernel::cpu::nr_cpu_ids())
}

/// The body of per-CPU threads that have nothing to do.
pub(super) struct Never;

impl_has_slot!(Never);

impl PerCpuThread for Never {
    fn run(&self, _: CpuId) {}
}
