// SPDX-License-Identifier: GPL-2.0

//! How and on which CPUs a thread is scheduled, before and after it starts.
//!
//! Policy and nice value can be changed at any time. The CPUs can be changed only for threads that
//! are placed by [`Placement::Cpus`]. Callers cannot move other threads:
//!
//! - With [`Placement::Cpu`] the binding is a promise to the closure.
//! - The kernel itself moves the others when a CPU comes online or the CPUs for housekeeping
//!   change, which would silently undo any other choice.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)
//!
//! [`Placement::Cpus`]: super::Placement::Cpus
//! [`Placement::Cpu`]: super::Placement::Cpu

use super::{
    context::Context,
    core::Core,
    thread::Thread, //
};
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::Cpumask,
    error::to_result,
    prelude::*,
    sync::atomic::{
        atomic_load,
        Relaxed, //
    },
    task::might_sleep,
    time::Delta, //
};

/// How a thread is scheduled.
///
/// # Priorities
///
/// Choosing a priority by number requires knowing everything else that runs on the machine. The
/// comment on `sched_set_fifo()` in [`kernel/sched/syscalls.c`](srctree/kernel/sched/syscalls.c)
/// holds for every thread of a module: `SCHED_FIFO` cannot manage resources, two workloads that
/// each work at their priorities do not work together, and only the administrator knows enough to
/// choose. Therefore C exports `sched_set_fifo()` and `sched_set_fifo_low()` to modules, and only
/// `sched_setattr_nocheck()` takes a priority. Use [`Policy::Fifo`] or [`Policy::FifoLow`], unless
/// the order among several threads of your own matters.
///
/// A thread with a real-time policy that does not sleep keeps all others off its CPU. A thread with
/// [`Policy::Idle`] may wait for long, and so may others that wait for a lock that it holds.
///
/// # Deadlines
///
/// [`Policy::Deadline`] has to be chosen before the thread starts, by its [`Builder`]. After that
/// only the thread itself can change it, or give it up permanently. C allows both at any time, to
/// any caller. But when the policy is taken from a sleeping thread, or given to one that has just
/// ended, C loses the granted share of the CPUs, until none is left. And a thread that gives it up
/// when its runtime is used up, and gets it again soon after, may never run again.
///
/// # Examples
///
/// ```
/// # fn f(group: &ThreadGroup) -> Result {
/// let sampler = Builder::new(fmt!("sampler"))
///     .policy(Policy::Deadline {
///         runtime: Delta::from_millis(1),
///         deadline: Delta::from_millis(5),
///         period: Delta::from_millis(10),
///     })
///     .spawn(group, |ctx| {
///         while ctx.wait_timeout(Delta::from_millis(10)) != Wake::Stop {
///             pr_info!("a sample\n");
///         }
///     })?;
///
/// // This priority is out of range.
/// assert_eq!(sampler.set_policy(Policy::Rr { priority: 100 }), Err(EINVAL));
/// // Only the thread itself can change it.
/// assert_eq!(sampler.set_policy(Policy::Idle), Err(EPERM));
/// # Ok(())
/// # }
/// ```
///
/// [`Builder`]: super::Builder
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// `SCHED_NORMAL` with a nice value, which is clamped to -20..=19.
    ///
    /// Wraps `sched_set_normal()`.
    Normal {
        /// From -20, the most favoured, to 19.
        nice: i32,
    },
    /// `SCHED_BATCH` with a nice value, for long computations that are not urgent.
    ///
    /// The value is clamped to -20..=19. Wraps `sched_setattr_nocheck()`.
    Batch {
        /// From -20, the most favoured, to 19.
        nice: i32,
    },
    /// `SCHED_IDLE`, for a thread that runs if hardly anything else does.
    ///
    /// The nice value is kept and has no effect. Wraps `sched_setattr_nocheck()`.
    Idle,
    /// `SCHED_FIFO` in the middle of the range.
    ///
    /// Wraps `sched_set_fifo()`.
    Fifo,
    /// `SCHED_FIFO` at the lowest priority.
    ///
    /// Wraps `sched_set_fifo_low()`.
    FifoLow,
    /// `SCHED_FIFO` at a priority.
    ///
    /// See above for the drawbacks.
    ///
    /// Wraps `sched_setattr_nocheck()`. Fails with [`EINVAL`] if the priority is out of range.
    FifoAt {
        /// From 1, the lowest, to 99.
        ///
        /// [`Policy::Fifo`] is 50, and [`Policy::FifoLow`] is 1.
        priority: u32,
    },
    /// `SCHED_RR` at a priority, where threads of equal priority take turns.
    ///
    /// See above for the drawbacks.
    ///
    /// Wraps `sched_setattr_nocheck()`. Fails with [`EINVAL`] if the priority is out of range.
    Rr {
        /// From 1, the lowest, to 99.
        priority: u32,
    },
    /// `SCHED_DEADLINE`: in each `period` the thread gets `runtime` before `deadline` has passed
    /// since the period began.
    ///
    /// A thread that needs more waits for the next period.
    ///
    /// Such a thread runs before those of all other policies. A CPU cannot be taken offline if the
    /// others are not enough for all of them.
    ///
    /// Wraps `sched_setattr_nocheck()`. Fails with
    /// - [`EINVAL`] unless `runtime` <= `deadline` <= `period`, with a `runtime` of 1024 ns or more
    ///   and a `period` within the limits of the administrator, `sched_deadline_period_min_us` and
    ///   `sched_deadline_period_max_us`, by default from 100 us to 4 s,
    /// - [`EPERM`] if the thread is not placed by [`Placement::Anywhere`], as `sched_setattr(2)`
    ///   fails for a thread that may not run on all CPUs,
    /// - [`EPERM`] unless it is chosen by the [`Builder`](super::Builder) of the thread, or by the
    ///   thread itself to change its own deadline,
    /// - [`EBUSY`] if the CPUs do not have that much time left for threads with deadlines.
    ///
    /// [`Placement::Anywhere`]: super::Placement::Anywhere
    Deadline {
        /// How long the thread may run in each period.
        runtime: Delta,
        /// The time in the period by which it has run that long.
        deadline: Delta,
        /// The length of a period, or zero for that of `deadline`.
        period: Delta,
    },
}

/// `struct sched_attr` of
/// [`include/uapi/linux/sched/types.h`](srctree/include/uapi/linux/sched/types.h), of which the
/// bindings have only the name.
#[repr(C)]
#[derive(Default)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
    /// C may add fields at the end, and reads all that it knows of.
    ///
    /// Zeroes request nothing.
    later: [u64; 8],
}

impl Policy {
    /// Returns an error if no thread can have this policy.
    ///
    /// C reports all other errors itself.
    pub(super) fn check(self) -> Result {
        match self {
            Policy::FifoAt { priority } | Policy::Rr { priority }
                if !(1..bindings::MAX_RT_PRIO).contains(&priority) =>
            {
                Err(EINVAL)
            }
            _ => Ok(()),
        }
    }

    /// The same for a thread that may not run on all CPUs, so that [`Policy::apply`] does not fail.
    pub(super) fn check_bound(self) -> Result {
        match self.is_deadline() {
            true => Err(EPERM),
            false => self.check(),
        }
    }

    pub(super) fn is_deadline(self) -> bool {
        matches!(self, Policy::Deadline { .. })
    }

    /// Sets the policy of a task, which has been checked.
    ///
    /// May sleep, as an administrator may have given the task `SCHED_DEADLINE`, and leaving it
    /// takes a lock of cpusets. Fails, and changes nothing, if the admission test for a deadline
    /// fails.
    ///
    /// # Safety
    ///
    /// The caller must hold a reference to the task.
    pub(super) unsafe fn apply(self, task: *mut bindings::task_struct) -> Result {
        let clamp = |nice: i32| nice.clamp(bindings::MIN_NICE, bindings::MAX_NICE as i32);
        // CAST: A negative time becomes longer than the longest that C accepts.
        let nanos = |time: Delta| time.as_nanos() as u64;
        let none = SchedAttr::default();
        let attr = match self {
            Policy::Normal { nice } => {
                // SAFETY: The caller guarantees a reference to the task.
                unsafe { bindings::sched_set_normal(task, clamp(nice)) };
                return Ok(());
            }
            Policy::Fifo => {
                // SAFETY: The caller guarantees a reference to the task.
                unsafe { bindings::sched_set_fifo(task) };
                return Ok(());
            }
            Policy::FifoLow => {
                // SAFETY: The caller guarantees a reference to the task.
                unsafe { bindings::sched_set_fifo_low(task) };
                return Ok(());
            }
            Policy::Batch { nice } => SchedAttr {
                policy: bindings::SCHED_BATCH,
                nice: clamp(nice),
                ..none
            },
            Policy::Idle => SchedAttr {
                policy: bindings::SCHED_IDLE,
                ..none
            },
            Policy::FifoAt { priority } => SchedAttr {
                policy: bindings::SCHED_FIFO,
                priority,
                ..none
            },
            Policy::Rr { priority } => SchedAttr {
                policy: bindings::SCHED_RR,
                priority,
                ..none
            },
            Policy::Deadline {
                runtime,
                deadline,
                period,
            } => SchedAttr {
                policy: bindings::SCHED_DEADLINE,
                runtime: nanos(runtime),
                deadline: nanos(deadline),
                period: nanos(period),
                ..none
            },
        };

        // SAFETY: The caller guarantees a reference to the task. `attr` begins as the C structure
        // does, and is no shorter.
        to_result(unsafe { bindings::sched_setattr_nocheck(task, (&raw const attr).cast()) })
    }
}

/// Returns the mask of one CPU, as `cpumask_of()` does.
fn cpumask_of(cpu: CpuId) -> *const bindings::cpumask {
    let cpu = cpu.as_u32() as usize;
    let bits = c_ulong::BITS as usize;

    // As in `get_cpu_mask()`: before and after the word with the bit there is a whole mask of
    // zeroes.
    (&raw const bindings::cpu_bit_bitmap)
        .cast::<bindings::cpumask>()
        .wrapping_add(1 + cpu % bits)
        .cast::<c_ulong>()
        .wrapping_sub(cpu / bits)
        .cast()
}

/// Binds a task to `mask`, so that nobody else can move it.
///
/// Sleeps. Fails with [`EINVAL`] if no CPU of `mask` is online.
///
/// # Safety
///
/// The caller must hold a reference to the task, which must never have been woken.
pub(super) unsafe fn bind_mask(task: *mut bindings::task_struct, mask: &Cpumask) -> Result {
    // `kthread_bind_mask()` is not exported. Binding to any one CPU protects the task from being
    // moved, and the call below does not change that.
    //
    // SAFETY: The caller guarantees a task that has never been woken. The CPU is possible.
    unsafe { bindings::kthread_bind(task, CpuId::current().as_u32()) };
    // SAFETY: The caller guarantees a reference to the task. The mask is copied.
    to_result(unsafe { bindings::set_cpus_allowed_ptr(task, mask.as_raw()) })
}

impl Core {
    /// Fails with [`ESRCH`] if the closure has returned or the thread has died.
    ///
    /// The thread may end right after this, which C handles: `sched_setattr(2)` may be as late.
    fn check_running(&self) -> Result {
        match self.is_finished() {
            true => Err(ESRCH),
            false => Ok(()),
        }
    }

    /// Changes the policy of the thread on behalf of another task.
    pub(super) fn set_policy(&self, policy: Policy) -> Result {
        might_sleep();
        policy.check()?;
        // The thread may be asleep, or about to exit.
        if self.options.deadline || policy.is_deadline() {
            return Err(EPERM);
        }
        self.check_running()?;
        // SAFETY: `self` holds a reference to the task.
        unsafe { policy.apply(self.task().as_ptr()) }
    }

    /// Changes the policy of the thread, which is the caller.
    fn set_own_policy(&self, policy: Policy) -> Result {
        might_sleep();
        policy.check()?;
        // SAFETY: `self` holds a reference to the task. The value may change during the read, as in
        // C.
        let now = unsafe { atomic_load(&raw mut (*self.task().as_ptr()).policy, Relaxed) };

        if policy.is_deadline() && !(self.options.deadline && now == bindings::SCHED_DEADLINE) {
            return Err(EPERM);
        }
        // SAFETY: `self` holds a reference to the task.
        unsafe { policy.apply(self.task().as_ptr()) }
    }

    pub(super) fn set_nice(&self, nice: i32) -> Result {
        // C ignores these silently.
        if !(bindings::MIN_NICE..=bindings::MAX_NICE as i32).contains(&nice) {
            return Err(EINVAL);
        }
        self.check_running()?;
        // CAST: A nice value fits.
        //
        // SAFETY: `self` holds a reference to the task.
        unsafe { bindings::set_user_nice(self.task().as_ptr(), nice as c_long) };
        Ok(())
    }

    pub(super) fn set_cpus(&self, mask: &Cpumask) -> Result {
        // SAFETY: A `Cpumask` is a mask.
        unsafe { self.set_cpus_raw(mask.as_raw()) }
    }

    /// # Safety
    ///
    /// `mask` must point to a mask.
    unsafe fn set_cpus_raw(&self, mask: *const bindings::cpumask) -> Result {
        might_sleep();
        if !self.options.movable {
            return Err(EINVAL);
        }
        self.check_running()?;
        // SAFETY: `self` holds a reference to the task. The caller guarantees that `mask` is a
        // mask. It is copied.
        to_result(unsafe { bindings::set_cpus_allowed_ptr(self.task().as_ptr(), mask) })
    }
}

impl<T: Send, S> Thread<T, S> {
    /// Changes how the thread is scheduled.
    ///
    /// Sleeps. Fails, and changes nothing, with
    /// - [`EINVAL`] if the priority is out of range,
    /// - [`EPERM`] if the thread has been made with a deadline, or is to have one: see [`Policy`],
    /// - [`ESRCH`] if the closure has returned, or the thread has died.
    ///
    /// Wraps `sched_set_normal()`, `sched_set_fifo()`, `sched_set_fifo_low()` and
    /// `sched_setattr_nocheck()` of
    /// [`kernel/sched/syscalls.c`](srctree/kernel/sched/syscalls.c).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let pump = group.spawn(fmt!("pump"), |ctx| while ctx.wait() != Wake::Stop {})?;
    ///
    /// // An urgent device has been plugged in.
    /// pump.set_policy(Policy::Fifo)?;
    /// // It is gone. From now on the thread has a low priority.
    /// pump.set_policy(Policy::Normal { nice: 5 })?;
    /// assert_eq!(pump.set_nice(20), Err(EINVAL));
    /// pump.set_nice(19)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sched_set_normal")]
    #[doc(alias = "sched_set_fifo")]
    #[doc(alias = "sched_set_fifo_low")]
    #[doc(alias = "sched_setscheduler")]
    #[doc(alias = "sched_setattr_nocheck")]
    pub fn set_policy(&self, policy: Policy) -> Result {
        self.core().set_policy(policy)
    }

    /// Changes the nice value, from -20 to 19, of the thread, and not its policy.
    ///
    /// A policy without a nice value keeps it for a later policy.
    ///
    /// Does not sleep. Fails with
    /// - [`EINVAL`] if `nice` is out of range, which C silently ignores,
    /// - [`ESRCH`] if the closure has returned, or the thread has died.
    ///
    /// Wraps `set_user_nice()` of [`kernel/sched/syscalls.c`](srctree/kernel/sched/syscalls.c).
    #[doc(alias = "set_user_nice")]
    pub fn set_nice(&self, nice: i32) -> Result {
        self.core().set_nice(nice)
    }

    /// Changes the CPUs of the thread, and returns once it has left all others.
    ///
    /// It runs nowhere else until all of these have gone offline. Then it runs anywhere, until this
    /// is called again.
    ///
    /// Sleeps. Fails, and changes nothing, with
    /// - [`EINVAL`] if the thread was not placed by [`Placement::Cpus`],
    /// - [`EINVAL`] if `mask` is empty, or none of its CPUs is online,
    /// - [`ESRCH`] if the closure has returned, or the thread has died.
    ///
    /// Wraps `set_cpus_allowed_ptr()` of [`kernel/sched/core.c`](srctree/kernel/sched/core.c),
    /// which would move a bound thread as well.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let mut cpus = CpumaskVar::new_zero(GFP_KERNEL)?;
    ///
    /// cpus.setall();
    /// let thread = Builder::new(fmt!("mover"))
    ///     .placement(Placement::Cpus(&cpus))
    ///     .spawn(group, |ctx| while ctx.wait() != Wake::Stop {})?;
    ///
    /// cpus.clear(CpuId::current());
    /// if !cpus.empty() {
    ///     match thread.set_cpus(&cpus) {
    ///         // No other CPU is online.
    ///         Err(error) => assert_eq!(error, EINVAL),
    ///         Ok(()) => pr_info!("moved away\n"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Placement::Cpus`]: super::Placement::Cpus
    #[doc(alias = "set_cpus_allowed_ptr")]
    pub fn set_cpus(&self, mask: &Cpumask) -> Result {
        self.core().set_cpus(mask)
    }
}

impl<M> Context<'_, M> {
    /// Changes how the thread is scheduled.
    ///
    /// Sleeps. Fails, and changes nothing, with [`EINVAL`] if the priority is out of range, and
    /// with the errors of [`Policy::Deadline`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let thread = group.spawn(fmt!("scanner"), |ctx| -> Result {
    ///     // The first round is urgent; later ones run when nothing else does.
    ///     ctx.set_policy(Policy::Rr { priority: 1 })?;
    ///     pr_info!("scanned\n");
    ///     ctx.set_policy(Policy::Idle)?;
    ///     while ctx.wait_timeout(Delta::from_secs(1)) != Wake::Stop {
    ///         pr_info!("scanned again\n");
    ///     }
    ///     Ok(())
    /// })?;
    ///
    /// thread.stop()??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_policy(&self, policy: Policy) -> Result {
        self.core().set_own_policy(policy)
    }

    /// Changes the nice value of the thread, and not its policy.
    ///
    /// Does not sleep. Fails with [`EINVAL`] as [`Thread::set_nice`] does.
    pub fn set_nice(&self, nice: i32) -> Result {
        self.core().set_nice(nice)
    }

    /// Changes the CPUs of the thread, and returns on one of them.
    ///
    /// Context and errors are those of [`Thread::set_cpus`].
    pub fn set_cpus(&self, mask: &Cpumask) -> Result {
        self.core().set_cpus(mask)
    }

    /// Moves to a CPU, and stays there until it is taken offline or the thread is moved elsewhere.
    ///
    /// Sleeps. Fails, and changes nothing, with [`EINVAL`] if the thread was not placed by
    /// [`Placement::Cpus`], or the CPU is not online.
    ///
    /// Wraps `set_cpus_allowed_ptr()` of [`kernel/sched/core.c`](srctree/kernel/sched/core.c).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, cpus: &Cpumask) -> Result {
    /// let thread = Builder::new(fmt!("tour"))
    ///     .placement(Placement::Cpus(cpus))
    ///     .spawn(group, |ctx| {
    ///         let mut seen = 0;
    ///
    ///         for cpu in (0..kernel::cpu::nr_cpu_ids()).filter_map(CpuId::from_u32) {
    ///             // Offline CPUs are left out.
    ///             seen += u32::from(ctx.run_on(cpu).is_ok());
    ///         }
    ///         seen
    ///     })?;
    ///
    /// assert!(thread.join()? >= 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Placement::Cpus`]: super::Placement::Cpus
    #[doc(alias = "set_cpus_allowed_ptr")]
    pub fn run_on(&self, cpu: CpuId) -> Result {
        // SAFETY: This is one of C's own masks.
        unsafe { self.core().set_cpus_raw(cpumask_of(cpu)) }
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_sched)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        cpu::CpuId,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        },
        time::{
            Delta,
            Instant,
            Monotonic, //
        }, //
    };

    /// Policy and nice value.
    fn schedule_of(core: &core::Core) -> (u32, i32) {
        let seen = seen(core);

        (seen.policy, seen.nice)
    }

    const NORMAL: u32 = bindings::SCHED_NORMAL;
    const FIFO: u32 = bindings::SCHED_FIFO;

    #[test]
    fn policy_and_nice_change_while_a_thread_runs() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("changes"), until_stopped)?;
        let worker = Builder::new(fmt!("changes")).spawn_worker(&group)?;
        let now = || [thread.core(), worker.core()].map(schedule_of);

        for (policy, found) in [
            (Policy::Fifo, (FIFO, 0)),
            (Policy::Normal { nice: -7 }, (NORMAL, -7)),
            (Policy::FifoLow, (FIFO, -7)),
            (Policy::Normal { nice: 99 }, (NORMAL, 19)),
        ] {
            thread.set_policy(policy)?;
            worker.set_policy(policy)?;
            assert_eq!(now(), [found; 2]);
        }
        thread.set_policy(Policy::Fifo)?;
        worker.set_policy(Policy::Fifo)?;
        // It is kept for a policy that has one.
        thread.set_nice(-20)?;
        worker.set_nice(-20)?;
        assert_eq!(now(), [(FIFO, -20); 2]);
        for nice in [i32::MIN, -21, 20, i32::MAX] {
            assert_eq!(thread.set_nice(nice), Err(EINVAL));
            assert_eq!(worker.set_nice(nice), Err(EINVAL));
        }
        assert_eq!(now(), [(FIFO, -20); 2]);
        Ok(())
    }

    /// Policies that are neither the default nor a deadline, and the resulting policy, priority,
    /// and nice value if that is set.
    const POLICIES: [(Policy, (u32, u32), Option<i32>); 8] = [
        (
            Policy::Batch { nice: 3 },
            (bindings::SCHED_BATCH, 0),
            Some(3),
        ),
        (Policy::Idle, (bindings::SCHED_IDLE, 0), None),
        (
            Policy::Batch { nice: -99 },
            (bindings::SCHED_BATCH, 0),
            Some(-20),
        ),
        (Policy::FifoAt { priority: 1 }, (FIFO, 1), None),
        (Policy::Rr { priority: 1 }, (bindings::SCHED_RR, 1), None),
        (Policy::Rr { priority: 9 }, (bindings::SCHED_RR, 9), None),
        (
            Policy::Normal { nice: 2 },
            (bindings::SCHED_NORMAL, 0),
            Some(2),
        ),
        (Policy::Idle, (bindings::SCHED_IDLE, 0), None),
    ];

    fn found(core: &core::Core) -> ((u32, u32), i32) {
        let seen = seen(core);

        ((seen.policy, seen.rt_priority), seen.nice)
    }

    #[test]
    fn a_thread_has_any_policy_from_the_beginning_and_later() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("any"), until_stopped)?;
        let worker = Builder::new(fmt!("any")).spawn_worker(&group)?;
        let own = group.spawn(fmt!("any"), |ctx| -> Result<usize> {
            let mut right = 0;
            let mut kept = 0;

            for (policy, wanted, nice) in POLICIES {
                ctx.set_policy(policy)?;
                kept = nice.unwrap_or(kept);
                right += usize::from(found(ctx.core()) == (wanted, kept));
            }
            Ok(right)
        })?;
        let mut kept = 0;

        for (policy, wanted, nice) in POLICIES {
            let builder = || Builder::new(fmt!("any")).policy(policy);
            let wanted_first = (wanted, nice.unwrap_or(0));

            kept = nice.unwrap_or(kept);
            thread.set_policy(policy)?;
            worker.set_policy(policy)?;
            for core in [thread.core(), worker.core()] {
                assert_eq!(found(core), (wanted, kept));
            }
            let first = builder().spawn(&group, |ctx| found(ctx.core()))?;
            assert_eq!(first.join(), Ok(wanted_first));
            let first = builder().spawn_worker(&group)?;
            assert_eq!(found(first.core()), wanted_first);
        }
        assert_eq!(own.join(), Ok(Ok(POLICIES.len())));
        // The highest priority is above everything else; the thread does not run for long.
        thread.set_policy(Policy::FifoAt { priority: 99 })?;
        assert_eq!(found(thread.core()).0, (FIFO, 99));
        Ok(())
    }

    #[test]
    fn a_priority_that_is_out_of_range_is_refused_and_changes_nothing() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("range"), until_stopped)?;
        let worker = Builder::new(fmt!("range")).spawn_worker(&group)?;
        let percpu = PerCpuThreads::register(&group, fmt!("range"), Never)?;
        let mut refusals = 0;

        for priority in [0, 100, u32::MAX] {
            for policy in [Policy::FifoAt { priority }, Policy::Rr { priority }] {
                let drops = count()?;
                let counted = Counted(drops.clone());
                let builder = || Builder::new(fmt!("never")).policy(policy);

                let refused = builder().create(&group, move |_| drop(counted));
                assert_eq!(refused.err(), Some(EINVAL));
                assert_eq!(drops.load(Relaxed), 1);
                assert_eq!(builder().spawn_worker(&group).err(), Some(EINVAL));
                assert_eq!(builder().spawn_percpu(&group, Never).err(), Some(EINVAL));
                assert_eq!(thread.set_policy(policy), Err(EINVAL));
                assert_eq!(worker.set_policy(policy), Err(EINVAL));
                assert_eq!(percpu.set_policy(policy), Err(EINVAL));
                let own = group.spawn(fmt!("range"), move |ctx| {
                    (ctx.set_policy(policy), found(ctx.core()))
                })?;
                assert_eq!(own.join(), Ok((Err(EINVAL), ((NORMAL, 0), 0))));
                refusals += 1;
            }
        }
        assert_eq!(refusals, 6);
        assert_eq!(found(thread.core()), ((NORMAL, 0), 0));
        assert_eq!(found(worker.core()), ((NORMAL, 0), 0));
        assert_eq!(group.len(), 3);
        Ok(())
    }

    /// A deadline in percent of a CPU.
    fn percent(share: i64) -> Policy {
        let period = Delta::from_millis(10);

        Policy::Deadline {
            runtime: Delta::from_micros(share * 100),
            deadline: period,
            period,
        }
    }

    #[test]
    fn a_deadline_that_does_not_add_up_is_refused() -> Result {
        let group = group()?;
        let drops = count()?;
        let mut refusals = 0;
        let ms = 1_000_000;

        for (runtime, deadline, period) in [
            // The runtime is greater than the deadline, and that than the period.
            (3 * ms, 2 * ms, 4 * ms),
            (ms, 4 * ms, 2 * ms),
            // Times that are too short or too long.
            (1023, 2 * ms, 4 * ms),
            (0, 0, 0),
            (ms, 0, 4 * ms),
            (2000, 4000, 4000),
            (ms, 2 * ms, 5000 * ms),
            // Times that are zero or negative.
            (-ms, 2 * ms, 4 * ms),
            (ms, -2 * ms, 4 * ms),
            (ms, 2 * ms, -4 * ms),
            (i64::MIN, i64::MIN, i64::MIN),
        ] {
            let counted = Counted(drops.clone());
            let policy = Policy::Deadline {
                runtime: Delta::from_nanos(runtime),
                deadline: Delta::from_nanos(deadline),
                period: Delta::from_nanos(period),
            };
            let refused = Builder::new(fmt!("never"))
                .policy(policy)
                .create(&group, move |_| drop(counted));

            assert_eq!(refused.err(), Some(EINVAL));
            refusals += 1;
            // A thread that may have a deadline keeps its policy.
            let thread = Builder::new(fmt!("has"))
                .policy(percent(10))
                .spawn(&group, move |ctx| {
                    (ctx.set_policy(policy), found(ctx.core()).0)
                })?;
            let kept = (bindings::SCHED_DEADLINE, 0);
            assert_eq!(thread.join(), Ok((Err(EINVAL), kept)));
        }
        assert_eq!(drops.load(Relaxed), refusals);
        assert!(group.is_empty());
        // Without a period, the deadline is the period.
        let policy = Policy::Deadline {
            runtime: Delta::from_millis(1),
            deadline: Delta::from_millis(10),
            period: Delta::ZERO,
        };
        drop(
            Builder::new(fmt!("has"))
                .policy(policy)
                .create(&group, |_| ())?,
        );
        Ok(())
    }

    #[test]
    fn a_deadline_is_chosen_before_the_start_by_what_may_run_anywhere() -> Result {
        let group = group()?;
        let first = cpus([0])?;
        let builder = || Builder::new(fmt!("deadline")).policy(percent(10));
        let cpu = CpuId::from_u32(0).ok_or(EINVAL)?;

        for placement in [
            Placement::Node(0),
            Placement::Preferred(&first),
            Placement::Cpus(&first),
            Placement::Cpu(cpu),
        ] {
            let refused = builder().placement(placement).spawn(&group, until_stopped);
            assert_eq!(refused.err(), Some(EPERM));
        }
        assert_eq!(builder().spawn_percpu(&group, Never).err(), Some(EPERM));
        let percpu = PerCpuThreads::register(&group, fmt!("without"), Never)?;
        assert_eq!(percpu.set_policy(percent(10)), Err(EPERM));
        drop(percpu);
        assert!(group.is_empty());

        // A deadline can be neither given to a thread without one nor taken from a thread with one.
        let without = group.spawn(fmt!("without"), |ctx| {
            let refused = ctx.set_policy(percent(10));

            until_stopped(ctx);
            (refused, found(ctx.core()))
        })?;
        assert_eq!(without.set_policy(percent(10)), Err(EPERM));
        assert_eq!(without.stop(), Ok((Err(EPERM), ((NORMAL, 0), 0))));
        let with = builder().spawn(&group, until_stopped)?;
        let worker = builder().spawn_worker(&group)?;
        for policy in [percent(5), Policy::Fifo, Policy::Normal { nice: 0 }] {
            assert_eq!(with.set_policy(policy), Err(EPERM));
            assert_eq!(worker.set_policy(policy), Err(EPERM));
        }
        for core in [with.core(), worker.core()] {
            assert_eq!(seen(core).policy, bindings::SCHED_DEADLINE);
        }
        Ok(())
    }

    #[test]
    fn what_threads_with_deadlines_were_granted_comes_back() -> Result {
        const SHARE: Policy = Policy::Deadline {
            runtime: Delta::from_millis(4),
            deadline: Delta::from_millis(10),
            period: Delta::from_millis(10),
        };

        let group = group()?;
        let builder = || Builder::new(fmt!("share")).policy(SHARE);
        let mut threads = KVec::new();

        // No more than the time of all CPUs is granted.
        let refused = loop {
            match builder().create(&group, until_stopped) {
                Ok(thread) => threads.push(thread, GFP_KERNEL)?,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, EBUSY);
        assert!(4 * threads.len() <= 10 * kernel::cpu::nr_cpu_ids() as usize);
        assert_eq!(group.len(), threads.len());
        drop(threads);

        // A thread that ends in any way returns its share once its period is over. Otherwise there
        // would be no room for the last of these.
        for _ in 0..4 * kernel::cpu::nr_cpu_ids() {
            drop(when_there_is_room(|| {
                builder().create(&group, until_stopped)
            })?);
            drop(when_there_is_room(|| {
                builder().spawn(&group, until_stopped)
            })?);
            drop(when_there_is_room(|| builder().spawn_worker(&group))?);
            // It changes its deadline, and gives it up.
            let thread = when_there_is_room(|| {
                builder().spawn(&group, |ctx| -> Result {
                    let a_while = Delta::from_millis(15);

                    let _ = ctx.wait_timeout(a_while);
                    ctx.set_policy(percent(10))?;
                    let _ = ctx.wait_timeout(a_while);
                    ctx.set_policy(Policy::Normal { nice: 0 })?;
                    // This is permanent, even before its period is over.
                    ctx.set_policy(SHARE)
                })
            })?;
            assert_eq!(thread.join(), Ok(Err(EPERM)));
        }
        Ok(())
    }

    /// Calls `make` until it does not fail with `EBUSY`, for a minute at most.
    fn when_there_is_room<R>(make: impl Fn() -> Result<R>) -> Result<R> {
        let began = Instant::<Monotonic>::now();

        loop {
            match make() {
                Err(error) if error == EBUSY && began.elapsed() < Delta::from_secs(60) => pause(),
                result => return result,
            }
        }
    }

    #[test]
    fn a_thread_changes_its_own_policy_and_nice() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("own"), |ctx| -> Result<_> {
            ctx.set_policy(Policy::Fifo)?;
            let first = schedule_of(ctx.core());
            ctx.set_policy(Policy::Normal { nice: 3 })?;
            ctx.set_nice(4)?;
            let refused = ctx.set_nice(20);
            Ok((first, refused, schedule_of(ctx.core())))
        })?;

        assert_eq!(thread.join()?, Ok(((FIFO, 0), Err(EINVAL), (NORMAL, 4))));
        Ok(())
    }

    #[test]
    fn what_has_returned_is_not_scheduled_any_more() -> Result {
        let group = group()?;
        let all = all_cpus()?;
        let thread = Builder::new(fmt!("brief"))
            .placement(Placement::Cpus(&all))
            .spawn(&group, |_| ())?;

        assert!(eventually(|| thread.is_finished()));
        assert_eq!(thread.set_policy(Policy::Fifo), Err(ESRCH));
        assert_eq!(thread.set_nice(1), Err(ESRCH));
        assert_eq!(thread.set_cpus(&all), Err(ESRCH));
        // Other errors are reported first.
        assert_eq!(thread.set_nice(20), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn a_thread_that_is_placed_on_cpus_runs_on_them_and_is_moved() -> Result {
        let group = group()?;
        let last = kernel::cpu::nr_cpu_ids() - 1;
        let (first, other) = (cpus([0])?, cpus([last])?);
        let steps = count()?;
        let counted = steps.clone();
        let mut thread = Builder::new(fmt!("moves"))
            .placement(Placement::Cpus(&other))
            .spawn(&group, move |ctx| {
                let mut seen = KVec::new();
                loop {
                    let _ = seen.push(CpuId::current().as_u32(), GFP_KERNEL);
                    counted.fetch_add(1, Relaxed);
                    if ctx.wait() == Wake::Stop {
                        return seen;
                    }
                }
            })?;
        let has_run = |times| eventually(|| steps.load(Relaxed) == times);

        assert!(has_run(1));
        thread.set_cpus(&first)?;
        thread.wake();
        assert!(has_run(2));
        // The same while the thread is parked.
        thread.park()?;
        thread.set_cpus(&other)?;
        thread.unpark()?;
        thread.wake();
        assert!(has_run(3));
        // User space cannot move it.
        //
        // SAFETY: The handle keeps the task. Only the task writes its flags, and it is asleep.
        let flags = unsafe { (*thread.task().as_ptr()).flags };
        assert!(flags & bindings::PF_NO_SETAFFINITY != 0);
        assert!(thread.stop()?.iter().copied().eq([last, 0, last]));
        Ok(())
    }

    #[test]
    fn a_thread_runs_on_the_cpu_that_it_goes_to() -> Result {
        let group = group()?;
        let all = all_cpus()?;
        let tour = |ctx: &Context<'_>| {
            (0..kernel::cpu::nr_cpu_ids())
                .filter_map(CpuId::from_u32)
                .all(|cpu| {
                    (0..20).all(|_| match ctx.run_on(cpu) {
                        Ok(()) => CpuId::current() == cpu,
                        Err(_) => false,
                    })
                })
        };
        let place = || Builder::new(fmt!("tour")).placement(Placement::Cpus(&all));

        assert_eq!(
            place().spawn(&group, move |ctx| tour(ctx))?.join(),
            Ok(true)
        );

        // A work item moves its worker.
        let worker = place().spawn_worker(&group)?;
        let (done, fine) = (Arc::pin_init(Completion::new(), GFP_KERNEL)?, count()?);
        let (told, was_fine) = (done.clone(), fine.clone());
        worker.spawn(GFP_KERNEL, move |ctx| {
            was_fine.fetch_add(usize::from(tour(ctx)), Relaxed);
            told.complete();
        })?;
        done.wait_for_completion();
        assert_eq!(fine.load(Relaxed), 1);
        worker.set_cpus(&*cpus([0])?)?;
        assert_eq!(seen(worker.core()).cpus, 1);
        Ok(())
    }

    #[test]
    fn what_others_have_placed_is_not_moved() -> Result {
        let group = group()?;
        let (first, all) = (cpus([0])?, all_cpus()?);
        let cpu = CpuId::from_u32(0).ok_or(EINVAL)?;

        for placement in [
            Placement::Anywhere,
            Placement::Node(0),
            Placement::Preferred(&first),
            Placement::Cpu(cpu),
        ] {
            let thread =
                Builder::new(fmt!("stays"))
                    .placement(placement)
                    .spawn(&group, move |ctx| {
                        let refused = ctx.run_on(cpu);

                        until_stopped(ctx);
                        refused
                    })?;
            // The kernel may place a thread as late as in its first steps.
            assert!(eventually(
                || thread.core().last_state() > core::State::Started
            ));
            let before = seen(thread.core()).cpus;

            assert_eq!(thread.set_cpus(&first), Err(EINVAL));
            assert_eq!(thread.set_cpus(&all), Err(EINVAL));
            assert_eq!(seen(thread.core()).cpus, before);
            assert_eq!(thread.stop(), Ok(Err(EINVAL)));
        }
        Ok(())
    }

    #[test]
    fn cpus_that_are_not_there_are_refused() -> Result {
        let group = group()?;
        let (none, all) = (cpus([])?, all_cpus()?);
        let drops = count()?;
        let place = |mask| {
            let counted = Counted(drops.clone());

            Builder::new(fmt!("nowhere"))
                .placement(Placement::Cpus(mask))
                .spawn(&group, move |ctx| {
                    until_stopped(ctx);
                    drop(counted);
                })
        };

        assert_eq!(place(&none).err(), Some(EINVAL));
        assert_eq!(drops.load(Relaxed), 1);
        assert!(group.is_empty());

        let thread = place(&all)?;
        assert_eq!(thread.set_cpus(&none), Err(EINVAL));
        let Some(last) = last_cpu().filter(|_| cfg!(CONFIG_HOTPLUG_CPU)) else {
            return Ok(());
        };
        let offline = cpus([last.as_u32()])?;
        let before = seen(thread.core()).cpus;
        let goes = Builder::new(fmt!("goes"))
            .placement(Placement::Cpus(&all))
            .create(&group, move |ctx| ctx.run_on(last))?;

        plug(last, false)?;
        let refused = (
            place(&offline).map(drop),
            thread.set_cpus(&offline),
            goes.start().join(),
        );
        plug(last, true)?;
        assert_eq!(refused, (Err(EINVAL), Err(EINVAL), Ok(Err(EINVAL))));
        assert_eq!(seen(thread.core()).cpus, before);
        assert_eq!(drops.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_cpu_that_comes_moves_nothing_that_was_placed_on_cpus() -> Result {
        let group = group()?;
        let Some(last) = last_cpu().filter(|_| cfg!(CONFIG_HOTPLUG_CPU)) else {
            return Ok(());
        };
        let first = cpus([0])?;
        let thread = Builder::new(fmt!("stays"))
            .placement(Placement::Cpus(&*all_cpus()?))
            .spawn(&group, until_stopped)?;

        thread.set_cpus(&first)?;
        plug(last, false)?;
        plug(last, true)?;
        assert_eq!(seen(thread.core()).cpus, 1);

        // With all its CPUs offline it runs anywhere, until it is placed again.
        thread.set_cpus(&*cpus([last.as_u32()])?)?;
        plug(last, false)?;
        let moved = eventually(|| {
            thread.wake();
            seen(thread.core()).cpus.count_ones() > 1
        });
        plug(last, true)?;
        assert!(moved);
        thread.set_cpus(&first)?;
        assert_eq!(seen(thread.core()).cpus, 1);
        Ok(())
    }
}
