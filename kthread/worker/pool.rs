// SPDX-License-Identifier: GPL-2.0

//! Several workers, each with its own policy.

use super::{
    super::{
        builder::Builder,
        core::Member,
        group::ThreadGroup,
        sched::Policy, //
    },
    Worker, //
};
use kernel::{
    prelude::*,
    task::might_sleep, //
};

/// A set of workers with a policy each, to which several owners queue.
///
/// It is made by [`Builder::spawn_pool`], and shared in an [`Arc`]. Each level is a [`Worker`]: its
/// work items run one after the other. Items of different levels run at the same time, or as their
/// policies say if there are not enough CPUs.
///
/// An owner that goes away cancels its own work items with [`Worker::cancel_sync`], after which
/// they neither run nor are queued. Items of other owners are not affected. When the last owner has
/// dropped the pool, or when the group ends, all workers are stopped as described for [`Worker`]:
/// everything that is queued runs. All of them are asked first, so this takes as long as the
/// slowest.
///
/// # Examples
///
/// Two queues of a device, for urgent and other jobs:
///
/// ```
/// const URGENT: usize = 0;
/// const USUAL: usize = 1;
///
/// struct Job(usize);
///
/// impl WorkItem for Job {
///     fn run(this: &Arc<Work<Self>>, _ctx: &Context<'_>) {
///         pr_info!("job {}\n", this.0);
///     }
/// }
///
/// struct Queue {
///     pool: Arc<WorkerPool>,
///     next: Arc<Work<Job>>,
/// }
///
/// impl Drop for Queue {
///     fn drop(&mut self) {
///         // Its job does not run any more. Jobs of the other queue do.
///         let _ = self.pool.worker(USUAL).map(|worker| worker.cancel_sync(&self.next));
///     }
/// }
///
/// # fn f(group: &ThreadGroup) -> Result {
/// let policies = [Policy::Fifo, Policy::Normal { nice: 0 }];
/// let pool = Builder::new(fmt!("jobs")).spawn_pool(group, &policies)?;
/// let pool = Arc::new(pool, GFP_KERNEL)?;
/// let queue = Queue {
///     pool: pool.clone(),
///     next: Work::new_arc(Job(1), GFP_KERNEL)?,
/// };
///
/// queue.pool.worker(USUAL)?.queue(queue.next.clone())?;
/// pool.worker(URGENT)?.queue(Work::new_arc(Job(0), GFP_KERNEL)?)?;
/// # Ok(())
/// # }
/// ```
///
/// [`Arc`]: kernel::sync::Arc
#[must_use = "the workers are stopped when the pool is dropped"]
pub struct WorkerPool {
    workers: KVec<Worker>,
}

impl WorkerPool {
    /// Returns the worker of a level, which is an index into the policies of the pool.
    ///
    /// May be called from any context. Fails with [`EINVAL`] if there is no such level.
    pub fn worker(&self, level: usize) -> Result<&Worker> {
        self.workers.get(level).ok_or(EINVAL)
    }

    /// Returns the workers of all levels.
    ///
    /// May be called from any context.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }
}

impl Drop for WorkerPool {
    /// Stops the workers, as dropping each [`Worker`] does, and asks all of them first.
    ///
    /// In a work item of one worker, that worker is left to its group.
    ///
    /// Sleeps.
    fn drop(&mut self) {
        might_sleep();
        for worker in &self.workers {
            if !worker.core().is_current() {
                Member::request_stop(&*worker.shared);
            }
        }
    }
}

impl Builder<'_> {
    /// Creates a worker for each of `policies`, and starts them.
    ///
    /// Their names are the chosen name, a slash, and the number of the level. All other choices
    /// apply to each.
    ///
    /// Context and errors are those of [`Builder::spawn_worker`], and [`EINVAL`] if `policies` is
    /// empty, or [`Builder::policy`] has been called. If it fails, no worker is left.
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn_pool(&self, group: &ThreadGroup, policies: &[Policy]) -> Result<WorkerPool> {
        if policies.is_empty() {
            return Err(EINVAL);
        }
        let mut pool = WorkerPool {
            workers: KVec::with_capacity(policies.len(), GFP_KERNEL)?,
        };

        for (level, policy) in policies.iter().enumerate() {
            let worker = self.one_of(level, *policy)?.spawn_worker(group)?;

            pool.workers.push(worker, GFP_KERNEL)?;
        }
        Ok(pool)
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_pool)]
mod tests {
    use super::super::super::{
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
        },
        time::{
            Delta,
            Instant,
            Monotonic, //
        }, //
    };

    const LEVELS: [Policy; 3] = [
        Policy::FifoAt { priority: 7 },
        Policy::FifoLow,
        Policy::Normal { nice: 4 },
    ];

    /// A job of one of several owners.
    struct Job {
        runs: Count,
    }

    impl WorkItem for Job {
        fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
            this.runs.fetch_add(1, Relaxed);
        }
    }

    fn job(runs: &Count) -> Result<Arc<Work<Job>>> {
        Work::new_arc(Job { runs: runs.clone() }, GFP_KERNEL)
    }

    /// Blocks a worker until the returned completion is completed.
    fn block(worker: &Worker) -> Result<Arc<Completion>> {
        let go = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let reached = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let (told, gone) = (reached.clone(), go.clone());

        worker.spawn(GFP_KERNEL, move |_| {
            told.complete();
            gone.wait_for_completion();
        })?;
        reached.wait_for_completion();
        Ok(go)
    }

    #[test]
    fn each_level_of_a_pool_has_its_policy_and_name() -> Result {
        let group = group()?;
        let pool = Builder::new(fmt!("pool")).spawn_pool(&group, &LEVELS)?;
        let found = |level| -> Result<_> {
            let seen = seen(pool.worker(level)?.core());
            let name = CString::try_from_fmt(fmt!("pool/{level}"))?;

            assert_eq!(seen.comm(), name.to_bytes());
            Ok((seen.policy, seen.rt_priority, seen.nice))
        };

        assert_eq!(found(0), Ok((bindings::SCHED_FIFO, 7, 0)));
        assert_eq!(found(1), Ok((bindings::SCHED_FIFO, 1, 0)));
        assert_eq!(found(2), Ok((bindings::SCHED_NORMAL, 0, 4)));
        assert_eq!(pool.worker(3).err(), Some(EINVAL));
        assert_eq!(pool.workers().len(), 3);
        // The policy can be changed for all owners at once.
        pool.worker(2)?.set_policy(Policy::Rr { priority: 3 })?;
        assert_eq!(found(2), Ok((bindings::SCHED_RR, 3, 4)));
        Ok(())
    }

    #[test]
    fn an_urgent_work_of_a_pool_runs_before_others_have_ended() -> Result {
        let group = group()?;
        let pool = Builder::new(fmt!("urgent"))
            .placement(Placement::Cpu(CpuId::from_u32(0).ok_or(EINVAL)?))
            .spawn_pool(&group, &LEVELS)?;
        let (runs, spins, seen) = (count()?, count()?, count()?);
        let (ran, spun, was_seen) = (runs.clone(), spins.clone(), seen.clone());

        // It does not yield the CPU to work that is not more urgent.
        pool.worker(1)?.spawn(GFP_KERNEL, move |ctx| {
            let began = Instant::<Monotonic>::now();

            spun.fetch_add(1, Relaxed);
            while began.elapsed() < Delta::from_secs(10) {
                ctx.yield_point();
                if ran.load(Relaxed) > 0 {
                    was_seen.fetch_add(1, Relaxed);
                    break;
                }
            }
        })?;
        assert!(eventually(|| spins.load(Relaxed) == 1));
        pool.worker(0)?.queue(job(&runs)?)?;
        pool.worker(1)?.flush()?;
        assert_eq!(seen.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn an_owner_of_a_pool_who_goes_leaves_the_works_of_others() -> Result {
        const OWNERS: usize = 4;

        let group = group()?;
        let pool = Builder::new(fmt!("owners")).spawn_pool(&group, &LEVELS)?;
        let pool = Arc::new(pool, GFP_KERNEL)?;
        let mut blocks = KVec::new();
        for worker in pool.workers() {
            blocks.push(block(worker)?, GFP_KERNEL)?;
        }
        let (kept, gone, all) = (count()?, count()?, count()?);

        // Every other owner goes away before anything runs.
        let mut owners = KVec::new();
        for number in 0..OWNERS {
            let (pool, runs) = match number % 2 {
                0 => (pool.clone(), kept.clone()),
                _ => (pool.clone(), gone.clone()),
            };
            let all = all.clone();
            let owner = move |_: &Context<'_>| -> Result<usize> {
                let mut taken = 0;

                for worker in pool.workers() {
                    let job = job(&runs)?;

                    worker.queue(job.clone())?;
                    if number % 2 == 1 {
                        taken += usize::from(worker.cancel_sync(&job)?.is_some());
                    }
                }
                all.fetch_add(1, Relaxed);
                Ok(taken)
            };
            owners.push(group.spawn(fmt!("owner"), owner)?, GFP_KERNEL)?;
        }
        assert!(eventually(|| all.load(Relaxed) == OWNERS));
        for (number, owner) in owners.into_iter().enumerate() {
            assert_eq!(owner.join(), Ok(Ok(number % 2 * LEVELS.len())));
        }
        for block in &blocks {
            block.complete();
        }
        // The last one of all runs what is queued.
        drop(pool);
        assert_eq!(kept.load(Relaxed), OWNERS / 2 * LEVELS.len());
        assert_eq!(gone.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_pool_asks_all_its_workers_before_it_waits_for_one() -> Result {
        let group = group()?;
        let pool = Builder::new(fmt!("asks")).spawn_pool(&group, &LEVELS)?;
        let (begun, asked, held) = (count()?, count()?, count()?);

        // Each waits until all others have been asked.
        for worker in pool.workers() {
            let (begun, asked, held) = (begun.clone(), asked.clone(), held.clone());

            worker.spawn(GFP_KERNEL, move |ctx| {
                begun.fetch_add(1, Relaxed);
                until_stopped(ctx);
                asked.fetch_add(1, Relaxed);
                if eventually(|| asked.load(Relaxed) >= LEVELS.len()) {
                    held.fetch_add(1, Relaxed);
                }
                asked.fetch_add(LEVELS.len(), Relaxed);
            })?;
        }
        assert!(eventually(|| begun.load(Relaxed) == LEVELS.len()));
        drop(pool);
        assert_eq!(held.load(Relaxed), LEVELS.len());
        Ok(())
    }

    #[test]
    fn a_pool_that_is_dropped_by_a_work_of_its_own_is_left_to_its_group() -> Result {
        let group = group()?;
        let pool = Builder::new(fmt!("own")).spawn_pool(&group, &LEVELS)?;
        let pool = Arc::new(pool, GFP_KERNEL)?;
        let go = block(pool.worker(1)?)?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let asked = count()?;
        let (own, told, was_asked) = (pool.clone(), done.clone(), asked.clone());

        pool.worker(1)?.spawn(GFP_KERNEL, move |ctx| {
            drop(own);
            was_asked.fetch_add(usize::from(ctx.should_stop()), Relaxed);
            told.complete();
        })?;
        drop(pool);
        go.complete();
        done.wait_for_completion();
        assert_eq!(asked.load(Relaxed), 0);
        assert_eq!(group.len(), 1);
        Ok(())
    }

    #[test]
    fn a_pool_that_can_not_be_made_leaves_no_worker_behind() -> Result {
        let group = group()?;
        let make = |builder: Builder<'_>, policies: &[Policy]| {
            builder.spawn_pool(&group, policies).map(drop)
        };
        let new = || Builder::new(fmt!("never"));

        assert_eq!(make(new(), &[]), Err(EINVAL));
        assert_eq!(make(new().policy(Policy::Idle), &LEVELS), Err(EINVAL));
        assert_eq!(make(new().allow(Signal::Hup), &LEVELS), Err(EINVAL));
        for priority in [0, 100] {
            let policies = [Policy::Fifo, Policy::FifoAt { priority }];

            assert_eq!(make(new(), &policies), Err(EINVAL));
            assert!(group.is_empty());
        }
        // All names but the last fit.
        let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc";
        assert_eq!(
            make(Builder::new(fmt!("{long}")), &[Policy::Idle; 10]),
            Ok(())
        );
        assert_eq!(
            make(Builder::new(fmt!("{long}")), &[Policy::Idle; 11]),
            Err(enametoolong())
        );
        assert!(group.is_empty());
        Ok(())
    }
}
