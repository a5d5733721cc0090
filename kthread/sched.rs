// SPDX-License-Identifier: GPL-2.0

//! How a thread is scheduled, and on which CPUs, from before it starts until it ends.
//!
//! Policy and nice value can be changed at any time. The CPUs can be changed of threads that are
//! placed by [`Placement::Cpus`] alone. All others are not the caller's to move:
//!
//! - With [`Placement::Cpu`] the binding is a promise to the closure.
//! - Those that are placed otherwise are moved by the kernel itself, when a CPU comes online or the
//!   CPUs for housekeeping change, which silently undoes what anybody else has chosen.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)
//!
//! [`Placement::Cpus`]: super::Placement::Cpus
//! [`Placement::Cpu`]: super::Placement::Cpu

use super::{
    context::Context,
    core::Core,
    thread::Thread,
    worker::Worker, //
};
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::Cpumask,
    error::to_result,
    prelude::*,
    task::might_sleep, //
};

/// How a thread is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// `SCHED_NORMAL` with a nice value, which is clamped to -20..=19. Wraps `sched_set_normal()`.
    Normal {
        /// From -20, the most favoured, to 19.
        nice: i32,
    },
    /// `SCHED_FIFO` in the middle of the range. Wraps `sched_set_fifo()`.
    Fifo,
    /// `SCHED_FIFO` at the lowest priority. Wraps `sched_set_fifo_low()`.
    FifoLow,
}

impl Policy {
    /// Gives a task this policy.
    ///
    /// May sleep, as an administrator may have given the task `SCHED_DEADLINE`, and to leave that
    /// takes a lock of cpusets.
    ///
    /// # Safety
    ///
    /// The caller must keep the task.
    pub(super) unsafe fn apply(self, task: *mut bindings::task_struct) {
        match self {
            // SAFETY: By the requirements of this function.
            Policy::Normal { nice } => unsafe {
                bindings::sched_set_normal(
                    task,
                    nice.clamp(bindings::MIN_NICE, bindings::MAX_NICE as i32),
                )
            },
            // SAFETY: As above.
            Policy::Fifo => unsafe { bindings::sched_set_fifo(task) },
            // SAFETY: As above.
            Policy::FifoLow => unsafe { bindings::sched_set_fifo_low(task) },
        }
    }
}

/// Returns the mask of one CPU, as `cpumask_of()` does.
fn cpumask_of(cpu: CpuId) -> *const bindings::cpumask {
    let cpu = cpu.as_u32() as usize;
    let bits = c_ulong::BITS as usize;

    // As in `get_cpu_mask()`: the word with the bit is followed and preceded by words without any,
    // as many as a mask has.
    (&raw const bindings::cpu_bit_bitmap)
        .cast::<bindings::cpumask>()
        .wrapping_add(1 + cpu % bits)
        .cast::<c_ulong>()
        .wrapping_sub(cpu / bits)
        .cast()
}

/// Lets a task run on `mask` alone, and nobody else move it.
///
/// Sleeps. Fails with [`EINVAL`] if no CPU of `mask` is online.
///
/// # Safety
///
/// The caller must keep the task, which must never have been woken.
pub(super) unsafe fn bind_mask(task: *mut bindings::task_struct, mask: &Cpumask) -> Result {
    // `kthread_bind_mask()` is not exported. This takes the task from the kernel and from user
    // space, for whichever CPU, and what follows leaves it that way.
    //
    // SAFETY: By the requirements of this function. The CPU is possible.
    unsafe { bindings::kthread_bind(task, CpuId::current().as_u32()) };
    // SAFETY: As above. The mask is copied.
    to_result(unsafe { bindings::set_cpus_allowed_ptr(task, mask.as_raw()) })
}

impl Core {
    /// Fails with [`ESRCH`] if the closure has returned or the thread has died.
    ///
    /// It may end right after this, which C copes with: `sched_setattr(2)` comes as late.
    fn check_running(&self) -> Result {
        match self.is_finished() {
            true => Err(ESRCH),
            false => Ok(()),
        }
    }

    pub(super) fn set_policy(&self, policy: Policy) -> Result {
        might_sleep();
        self.check_running()?;
        // SAFETY: `self` holds a reference to the task.
        unsafe { policy.apply(self.task().as_ptr()) };
        Ok(())
    }

    pub(super) fn set_nice(&self, nice: i32) -> Result {
        // C ignores these without a word.
        if !(bindings::MIN_NICE..=bindings::MAX_NICE as i32).contains(&nice) {
            return Err(EINVAL);
        }
        self.check_running()?;
        // CAST: It is small.
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
        // SAFETY: `self` holds a reference to the task. `mask` is one by the requirements of this
        // function, and is copied.
        to_result(unsafe { bindings::set_cpus_allowed_ptr(self.task().as_ptr(), mask) })
    }
}

impl<T: Send, S> Thread<T, S> {
    /// Changes how the thread is scheduled.
    ///
    /// Sleeps. Fails with [`ESRCH`] if the closure has returned, or the thread has died.
    ///
    /// Wraps `sched_set_normal()`, `sched_set_fifo()` and `sched_set_fifo_low()` of
    /// [`kernel/sched/syscalls.c`](srctree/kernel/sched/syscalls.c).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let pump = group.spawn(fmt!("pump"), |ctx| while ctx.wait() != Wake::Stop {})?;
    ///
    /// // A device has come that can not wait.
    /// pump.set_policy(Policy::Fifo)?;
    /// assert!(pump.observer().identity().is_fifo());
    /// // It has gone. The thread is to stay behind others from now on.
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
    pub fn set_policy(&self, policy: Policy) -> Result {
        self.core().set_policy(policy)
    }

    /// Changes the nice value, from -20 to 19, of the thread, and not its policy.
    ///
    /// Under a policy that has no nice value, it is kept for one that has.
    ///
    /// Does not sleep. Fails with
    /// - [`EINVAL`] if `nice` is out of range, where C changes nothing either, and does not say so,
    /// - [`ESRCH`] if the closure has returned, or the thread has died.
    ///
    /// Wraps `set_user_nice()` of [`kernel/sched/syscalls.c`](srctree/kernel/sched/syscalls.c).
    #[doc(alias = "set_user_nice")]
    pub fn set_nice(&self, nice: i32) -> Result {
        self.core().set_nice(nice)
    }

    /// Changes on which CPUs the thread runs, and returns once it has left all others.
    ///
    /// It runs nowhere else until all of these have been taken offline. Then it runs anywhere, until
    /// this is called again.
    ///
    /// Sleeps. Fails, and changes nothing, with
    /// - [`EINVAL`] if the thread was not placed by [`Placement::Cpus`],
    /// - [`EINVAL`] if no CPU of `mask` is online, or there is none in it,
    /// - [`ESRCH`] if the closure has returned, or the thread has died.
    ///
    /// Wraps `set_cpus_allowed_ptr()` of [`kernel/sched/core.c`](srctree/kernel/sched/core.c), which
    /// would move a bound thread as well.
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
    ///         // There is no other CPU online.
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
    /// Context is that of [`Thread::set_policy`]. Does not fail as long as `policy` is one of
    /// today's.
    pub fn set_policy(&self, policy: Policy) -> Result {
        self.core().set_policy(policy)
    }

    /// Changes the nice value of the thread, and not its policy.
    ///
    /// Does not sleep. Fails with [`EINVAL`] as [`Thread::set_nice`] does.
    pub fn set_nice(&self, nice: i32) -> Result {
        self.core().set_nice(nice)
    }

    /// Changes on which CPUs the thread runs, and returns on one of them.
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
    ///             // Those that are offline are left out.
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
        // SAFETY: It is one of C's own masks.
        unsafe { self.core().set_cpus_raw(cpumask_of(cpu)) }
    }
}

impl<S> Worker<S> {
    /// Changes how the thread of the worker is scheduled.
    ///
    /// Sleeps. Fails with [`ESRCH`] if the worker has been stopped, or has died.
    ///
    /// Wraps what [`Thread::set_policy`] wraps.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(worker: &Worker) -> Result {
    /// worker.set_policy(Policy::Fifo)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_policy(&self, policy: Policy) -> Result {
        self.core().set_policy(policy)
    }

    /// Changes the nice value of the thread of the worker, and not its policy.
    ///
    /// Does not sleep. Fails with
    /// - [`EINVAL`] if `nice` is out of range,
    /// - [`ESRCH`] if the worker has been stopped, or has died.
    ///
    /// Wraps what [`Thread::set_nice`] wraps.
    pub fn set_nice(&self, nice: i32) -> Result {
        self.core().set_nice(nice)
    }

    /// Changes on which CPUs the worker runs, and returns once it has left all others.
    ///
    /// Context and errors are those of [`Thread::set_cpus`].
    pub fn set_cpus(&self, mask: &Cpumask) -> Result {
        self.core().set_cpus(mask)
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
        str::CString,
        sync::{
            atomic::Relaxed,
            Arc, //
        }, //
    };

    /// Policy and nice value.
    fn schedule_of(identity: Identity) -> (u32, i32) {
        (identity.policy, identity.nice)
    }

    const NORMAL: u32 = bindings::SCHED_NORMAL;
    const FIFO: u32 = bindings::SCHED_FIFO;

    /// Returns where a thread may run, as the kernel prints it.
    fn allowed(identity: Identity) -> Result<CString> {
        CString::try_from_fmt(fmt!("{}", identity.cpus_allowed))
    }

    #[test]
    fn policy_and_nice_change_while_a_thread_runs() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("changes"), until_stopped)?;
        let worker = Builder::new(fmt!("changes")).spawn_worker(&group)?;
        let now = || {
            [&thread.observer(), &worker.observer()].map(|thread| schedule_of(thread.identity()))
        };

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

    #[test]
    fn a_thread_changes_its_own_policy_and_nice() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("own"), |ctx| -> Result<_> {
            ctx.set_policy(Policy::Fifo)?;
            let first = schedule_of(ctx.identity());
            ctx.set_policy(Policy::Normal { nice: 3 })?;
            ctx.set_nice(4)?;
            let refused = ctx.set_nice(20);
            Ok((first, refused, schedule_of(ctx.identity())))
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
        // What is wrong anyway is said first.
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
        // The same while it is parked.
        thread.park()?;
        thread.set_cpus(&other)?;
        thread.unpark()?;
        thread.wake();
        assert!(has_run(3));
        // User space can not move it.
        //
        // SAFETY: The handle keeps the task. Nobody else writes its flags, and it sleeps.
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

        // A work moves its worker.
        let worker = place().spawn_worker(&group)?;
        let (done, fine) = (Arc::pin_init(Completion::new(), GFP_KERNEL)?, count()?);
        let (told, was_fine) = (done.clone(), fine.clone());
        worker.spawn(GFP_KERNEL, move |ctx| {
            was_fine.fetch_add(usize::from(tour(ctx)), Relaxed);
            told.complete();
        })?;
        done.wait();
        assert_eq!(fine.load(Relaxed), 1);
        worker.set_cpus(&*cpus([0])?)?;
        assert_eq!(allowed(worker.observer().identity())?.to_bytes(), b"0");
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
            // What places a thread may come as late as its first steps.
            assert!(eventually(
                || thread.core().last_state() > core::State::Started
            ));
            let before = allowed(thread.observer().identity())?;

            assert_eq!(thread.set_cpus(&first), Err(EINVAL));
            assert_eq!(thread.set_cpus(&all), Err(EINVAL));
            let after = allowed(thread.observer().identity())?;
            assert_eq!(before.to_bytes(), after.to_bytes());
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
        let before = allowed(thread.observer().identity())?;
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
        let after = allowed(thread.observer().identity())?;
        assert_eq!(before.to_bytes(), after.to_bytes());
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
        assert_eq!(allowed(thread.observer().identity())?.to_bytes(), b"0");

        // Without any of its CPUs it runs anywhere, until it is placed again.
        thread.set_cpus(&*cpus([last.as_u32()])?)?;
        plug(last, false)?;
        let moved = eventually(|| {
            thread.wake();
            allowed(thread.observer().identity()).is_ok_and(|cpus| cpus.to_bytes().len() > 1)
        });
        plug(last, true)?;
        assert!(moved);
        thread.set_cpus(&first)?;
        assert_eq!(allowed(thread.observer().identity())?.to_bytes(), b"0");
        Ok(())
    }
}
