// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the rules that the rest of this module promises to keep.

use kernel::prelude::*;

#[kunit_tests(rust_kthread)]
mod threads {
    use super::super::{
        errno::edeadlk,
        *, //
    };
    use kernel::{
        bindings,
        cpu::CpuId,
        fmt,
        new_mutex,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::Delta, //
    };

    /// Enough for a race of two CPUs to go either way.
    const ROUNDS: usize = 2000;

    type Count = Arc<Atomic<usize>>;

    fn count() -> Result<Count> {
        Ok(Arc::new(Atomic::new(0), GFP_KERNEL)?)
    }

    /// Counts how often it is dropped.
    struct Counted(Count);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn group() -> Result<ThreadGroup> {
        // SAFETY: The tests drop their groups when they end. One that fails is killed, and so it
        // leaks its group, in which case this module must not be unloaded.
        unsafe { ThreadGroup::new() }
    }

    fn until_stopped(ctx: &Context<'_>) {
        while ctx.wait() != Wake::Stop {}
    }

    fn comm<T: Send>(thread: &Thread<T>) -> [u8; 16] {
        // SAFETY: `task` is alive, and nobody renames it.
        unsafe { (*thread.task().as_ptr()).comm }
    }

    #[test]
    fn a_value_comes_back_from_join_and_from_stop() -> Result {
        let group = group()?;

        assert_eq!(group.spawn(fmt!("join"), |_| 7)?.join(), Ok(7));
        assert_eq!(group.spawn(fmt!("stop"), |_| 8)?.stop(), Ok(8));
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn an_errno_of_the_closure_is_no_errno_of_the_api() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("eintr"), |_| -> Result { Err(EINTR) })?;

        assert_eq!(thread.stop(), Ok(Err(EINTR)));
        Ok(())
    }

    #[test]
    fn a_thread_that_is_not_started_drops_its_closure_unused() -> Result {
        let group = group()?;
        let (runs, drops) = (count()?, count()?);

        for _ in 0..10 {
            let (runs, counted) = (runs.clone(), Counted(drops.clone()));
            let thread = Builder::new(fmt!("unused")).create(&group, move |_| {
                runs.fetch_add(1, Relaxed);
                drop(counted);
            })?;

            // A wake-up before the start must not start it.
            thread.waker().wake();
            drop(thread);
        }
        assert_eq!(runs.load(Relaxed), 0);
        assert_eq!(drops.load(Relaxed), 10);
        Ok(())
    }

    #[test]
    fn a_thread_that_is_stopped_at_once_has_run() -> Result {
        let group = group()?;
        let runs = count()?;

        for _ in 0..ROUNDS {
            let runs = runs.clone();
            let thread = group.spawn(fmt!("at-once"), move |_| {
                runs.fetch_add(1, Relaxed);
            })?;

            assert_eq!(thread.stop(), Ok(()));
        }
        assert_eq!(runs.load(Relaxed), ROUNDS);
        Ok(())
    }

    #[test]
    fn a_thread_that_is_parked_at_once_has_run_when_stopped() -> Result {
        let group = group()?;

        for _ in 0..ROUNDS {
            let mut thread = group.spawn(fmt!("park-first"), |ctx| ctx.wait())?;

            thread.park()?;
            assert_eq!(thread.stop(), Ok(Wake::Stop));
        }
        Ok(())
    }

    #[test]
    fn values_and_closures_are_dropped_once() -> Result {
        let drops = count()?;
        let spawn = |group: &ThreadGroup| {
            let (captured, returned) = (Counted(drops.clone()), Counted(drops.clone()));

            group.spawn(fmt!("counted"), move |_| {
                drop(captured);
                returned
            })
        };

        // Handle dropped, joined, stopped, leaked with the group still there.
        let group = group()?;
        drop(spawn(&group)?);
        assert_eq!(drops.load(Relaxed), 2);
        drop(spawn(&group)?.join());
        assert_eq!(drops.load(Relaxed), 4);
        drop(spawn(&group)?.stop());
        assert_eq!(drops.load(Relaxed), 6);
        let handle = spawn(&group)?;
        drop(group);
        // The handle outlives the group, and the value the thread.
        drop(handle);
        assert_eq!(drops.load(Relaxed), 8);
        Ok(())
    }

    #[test]
    fn a_closure_is_dropped_when_no_thread_can_be_made() -> Result {
        let group = group()?;
        let drops = count()?;
        let create = |name: fmt::Arguments<'_>, placement| {
            let counted = Counted(drops.clone());

            Builder::new(name)
                .placement(placement)
                .create(&group, move |_| drop(counted))
                .map(drop)
        };

        let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(create(fmt!(""), Placement::Anywhere), Err(EINVAL));
        assert_eq!(create(fmt!("a\0b"), Placement::Anywhere), Err(EINVAL));
        assert_eq!(
            create(fmt!("{long}"), Placement::Anywhere),
            Err(enametoolong())
        );
        assert_eq!(create(fmt!("node"), Placement::Node(u32::MAX)), Err(ENODEV));
        assert_eq!(drops.load(Relaxed), 4);
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn a_name_is_not_a_format() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("{}", "%p%n%s"), until_stopped)?;
        assert_eq!(&comm(&thread)[..7], b"%p%n%s\0");

        let thread = group.spawn(fmt!("{}-and-more", "0123456789"), until_stopped)?;
        assert_eq!(&comm(&thread), b"0123456789-and-\0");
        Ok(())
    }

    #[test]
    fn a_stop_ends_every_wait() -> Result {
        let group = group()?;
        let hour = Delta::from_secs(3600);
        let stop = |thread: Thread<Wake>| thread.stop();

        for _ in 0..ROUNDS / 10 {
            assert_eq!(
                stop(group.spawn(fmt!("w"), |ctx| ctx.wait())?),
                Ok(Wake::Stop)
            );
            assert_eq!(
                stop(group.spawn(fmt!("wt"), move |ctx| ctx.wait_timeout(hour))?),
                Ok(Wake::Stop)
            );
            assert_eq!(
                stop(group.spawn(fmt!("wu"), |ctx| ctx.wait_until(|| false))?),
                Ok(Wake::Stop)
            );
        }
        Ok(())
    }

    #[test]
    fn a_request_to_stop_does_not_wait() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("asked"), |ctx| {
            until_stopped(ctx);
            ctx.should_stop()
        })?;

        assert!(!thread.is_finished());
        thread.request_stop();
        // It has been asked, so this returns.
        assert_eq!(thread.join(), Ok(true));
        Ok(())
    }

    #[test]
    fn a_park_suspends_every_wait_and_the_wait_goes_on() -> Result {
        let group = group()?;
        let steps = count()?;
        let seen = steps.clone();
        let mut thread = group.spawn(fmt!("parkee"), move |ctx| {
            while ctx.wait() == Wake::Ready {
                seen.fetch_add(1, Relaxed);
            }
        })?;

        for round in 0..ROUNDS {
            thread.park()?;
            assert!(thread.is_parked());
            let before = steps.load(Relaxed);
            thread.wake();
            // It is parked: nothing moves.
            assert_eq!(steps.load(Relaxed), before);
            thread.unpark()?;
            // The wake-up of the parked thread was kept.
            while steps.load(Relaxed) <= round {
                kernel::task::might_sleep();
            }
        }
        assert_eq!(steps.load(Relaxed), ROUNDS);
        Ok(())
    }

    #[test]
    fn to_park_twice_or_to_unpark_what_runs_is_an_error() -> Result {
        let group = group()?;
        let mut thread = group.spawn(fmt!("twice"), until_stopped)?;

        assert_eq!(thread.unpark(), Err(EBUSY));
        thread.park()?;
        assert_eq!(thread.park(), Err(EBUSY));
        thread.unpark()?;
        assert_eq!(thread.unpark(), Err(EBUSY));

        let parked = thread.park_guard()?;
        assert!(parked.is_parked());
        drop(parked);
        assert!(!thread.is_parked());

        // A guard that is leaked leaves a thread that can be stopped all the same.
        core::mem::forget(thread.park_guard()?);
        assert_eq!(thread.stop(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_finished_thread_can_be_parked_and_joined() -> Result {
        let group = group()?;

        for _ in 0..ROUNDS {
            // The closure returns while, before, or after it is parked.
            let mut thread = group.spawn(fmt!("brief"), |_| 5)?;

            thread.park()?;
            assert!(thread.is_finished());
            thread.unpark()?;
            thread.park()?;
            assert_eq!(thread.join(), Ok(5));
        }
        Ok(())
    }

    #[test]
    fn no_wake_up_is_lost() -> Result {
        let group = group()?;
        let (ping, pong) = (count()?, Arc::pin_init(Completion::new(), GFP_KERNEL)?);
        let (seen, echo) = (ping.clone(), pong.clone());
        let thread = group.spawn(fmt!("ping"), move |ctx| {
            let mut done = 0;
            while ctx.wait_until(|| seen.load(Relaxed) > done) == Wake::Ready {
                done += 1;
                echo.complete();
            }
            done
        })?;

        for _ in 0..ROUNDS {
            ping.fetch_add(1, Relaxed);
            thread.wake();
            pong.wait();
        }
        assert_eq!(thread.stop(), Ok(ROUNDS));
        Ok(())
    }

    #[test]
    fn a_wake_up_before_the_wait_is_kept_and_many_count_as_one() -> Result {
        let group = group()?;
        let thread = Builder::new(fmt!("early")).create(&group, |ctx| {
            let first = ctx.wait();
            (first, ctx.wait_timeout(Delta::from_millis(1)))
        })?;

        let waker = thread.waker();
        waker.wake();
        waker.wake();
        assert_eq!(thread.start().join(), Ok((Wake::Ready, Wake::Timeout)));
        // To wake a thread that is gone does nothing.
        waker.wake();
        Ok(())
    }

    #[test]
    fn timeouts_of_any_size_are_taken() -> Result {
        let group = group()?;
        let thread = group.spawn(fmt!("times"), |ctx| {
            for nanos in [i64::MIN, -1, 0, 1] {
                if ctx.wait_timeout(Delta::from_nanos(nanos)) != Wake::Timeout {
                    return Wake::Ready;
                }
            }
            ctx.wait_timeout(Delta::from_nanos(i64::MAX))
        })?;

        thread.request_stop();
        let woken = thread.join();
        assert!(woken == Ok(Wake::Stop) || woken == Ok(Wake::Ready));
        Ok(())
    }

    #[test]
    fn a_thread_can_not_stop_park_or_join_itself() -> Result {
        let mut group = group()?;
        let drops = count()?;

        // The last one drops its handle.
        for way in 0..4 {
            let slot = Arc::pin_init(new_mutex!(None::<Thread<(bool, Counted)>>), GFP_KERNEL)?;
            let (own, counted) = (slot.clone(), Counted(drops.clone()));
            let answer = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
            let answered = answer.clone();
            let thread = group.spawn(fmt!("selfish"), move |ctx| {
                let mut taken = None;
                let _ = ctx.wait_until(|| {
                    taken = own.lock().take();
                    taken.is_some()
                });
                let refused = match (taken, way) {
                    (Some(thread), 0) => thread.stop().err() == Some(JoinError::WouldDeadlock),
                    (Some(thread), 1) => thread.join().err() == Some(JoinError::WouldDeadlock),
                    (Some(mut thread), 2) => thread.park() == Err(edeadlk()),
                    (taken, _) => taken.is_some(),
                };
                if refused {
                    answered.complete();
                }
                (refused, counted)
            })?;

            let waker = thread.waker();
            *slot.lock() = Some(thread);
            waker.wake();
            answer.wait();
        }
        assert_eq!(group.len(), 4);
        group.stop_all();
        assert!(group.is_empty());
        // The values had no handle left to be taken by.
        assert_eq!(drops.load(Relaxed), 4);
        Ok(())
    }

    #[test]
    fn a_thread_that_is_being_stopped_can_ask_its_own_handle() -> Result {
        let group = group()?;
        let slot = Arc::pin_init(new_mutex!(None::<Thread<()>>), GFP_KERNEL)?;
        let (own, answers) = (slot.clone(), count()?);
        let answered = answers.clone();
        let thread = group.spawn(fmt!("asks"), move |ctx| {
            until_stopped(ctx);
            // The group waits for this thread by now.
            if let Some(mut thread) = own.lock().take() {
                let busy = thread.unpark() == Err(EBUSY);
                if busy && !thread.is_parked() && !thread.is_finished() {
                    answered.fetch_add(1, Relaxed);
                }
            }
        })?;

        *slot.lock() = Some(thread);
        drop(group);
        assert_eq!(answers.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_group_stops_what_was_leaked() -> Result {
        let (runs, drops) = (count()?, count()?);
        let group = group()?;

        for _ in 0..10 {
            let (runs, counted) = (runs.clone(), Counted(drops.clone()));
            core::mem::forget(group.spawn(fmt!("leaked"), move |ctx| {
                until_stopped(ctx);
                runs.fetch_add(1, Relaxed);
                drop(counted);
            })?);

            let counted = Counted(drops.clone());
            core::mem::forget(
                Builder::new(fmt!("leaked-new")).create(&group, move |_| drop(counted))?,
            );

            let mut parked = group.spawn(fmt!("leaked-parked"), until_stopped)?;
            parked.park()?;
            core::mem::forget(parked);
        }
        assert_eq!(group.len(), 30);
        drop(group);
        assert_eq!(runs.load(Relaxed), 10);
        assert_eq!(drops.load(Relaxed), 20);
        Ok(())
    }

    #[test]
    fn a_handle_and_its_group_may_stop_a_thread_at_once() -> Result {
        for _ in 0..ROUNDS / 10 {
            let group = group()?;
            let drops = count()?;
            let counted = Counted(drops.clone());
            let thread = group.spawn(fmt!("stopped-twice"), move |ctx| {
                until_stopped(ctx);
                drop(counted);
            })?;
            // When this one is stopped it drops the handle of the other.
            core::mem::forget(group.spawn(fmt!("stopper"), move |ctx| {
                until_stopped(ctx);
                drop(thread);
            })?);

            drop(group);
            assert_eq!(drops.load(Relaxed), 1);
        }
        Ok(())
    }

    #[test]
    fn threads_park_while_others_wake_them() -> Result {
        let group = group()?;
        let mut parkee = group.spawn(fmt!("parkee"), until_stopped)?;
        let waker = parkee.waker();
        let pest = group.spawn(fmt!("pest"), move |ctx| {
            while !ctx.should_stop() {
                waker.wake();
                kernel::task::might_sleep();
            }
        })?;

        for _ in 0..ROUNDS {
            parkee.park()?;
            parkee.unpark()?;
        }
        assert_eq!(pest.stop(), Ok(()));
        assert_eq!(parkee.stop(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_thread_runs_where_it_was_placed() -> Result {
        let group = group()?;
        let here = |_: &Context<'_>| CpuId::current().as_u32();

        // SAFETY: The number of CPUs that are online is no less than one.
        for cpu in 0..unsafe { bindings::nr_cpu_ids } {
            let Some(cpu) = CpuId::from_u32(cpu) else {
                continue;
            };
            match Builder::new(fmt!("placed"))
                .placement(Placement::Cpu(cpu))
                .spawn(&group, here)
            {
                Ok(thread) => assert_eq!(thread.join(), Ok(cpu.as_u32())),
                Err(error) => assert_eq!(error, ENODEV),
            }
        }
        let node = Builder::new(fmt!("node")).placement(Placement::Node(0));
        assert!(node.spawn(&group, here)?.join().is_ok());
        Ok(())
    }

    #[test]
    fn a_thread_has_the_policy_that_was_chosen() -> Result {
        let group = group()?;
        let policy = |policy| -> Result<(u32, i32)> {
            let thread = Builder::new(fmt!("policy"))
                .policy(policy)
                .spawn(&group, until_stopped)?;
            let task = thread.task().as_ptr();

            // SAFETY: `thread` keeps the task alive, and nobody changes these fields now.
            Ok(unsafe { ((*task).policy, (*task).static_prio) })
        };

        assert_eq!(
            policy(Policy::Normal { nice: 0 }),
            Ok((bindings::SCHED_NORMAL, 120))
        );
        assert_eq!(
            policy(Policy::Normal { nice: 5 }),
            Ok((bindings::SCHED_NORMAL, 125))
        );
        assert_eq!(
            policy(Policy::Normal { nice: 99 }),
            Ok((bindings::SCHED_NORMAL, 139))
        );
        assert_eq!(policy(Policy::Fifo)?.0, bindings::SCHED_FIFO);
        assert_eq!(policy(Policy::FifoLow)?.0, bindings::SCHED_FIFO);
        Ok(())
    }

    #[test]
    fn a_thread_is_a_child_of_kthreadd_without_an_address_space() -> Result {
        let group = group()?;
        let thread = Builder::new(fmt!("who"))
            .policy(Policy::FifoLow)
            .create(&group, |ctx| ctx.identity())?;

        let new = thread.observer().identity();
        let running = thread.start().join()?;
        for identity in [new, running] {
            assert!(identity.kthread && identity.nofreeze && !identity.mm);
            assert!(identity.pid > 2 && identity.tgid == identity.pid);
            assert_eq!(identity.ppid, 2);
            assert!(identity.is_fifo() && identity.rt_priority == 1);
        }
        // It runs on the page tables of whoever ran before it.
        assert!(running.active_mm);
        assert!(!new.active_mm);
        Ok(())
    }

    #[test]
    fn a_freezable_thread_waits_parks_and_stops_like_any_other() -> Result {
        let group = group()?;
        let mut thread = Builder::new(fmt!("freezable"))
            .freezable()
            .spawn(&group, |ctx| {
                until_stopped(ctx);
                ctx.identity().nofreeze
            })?;

        thread.park()?;
        thread.unpark()?;
        assert_eq!(thread.stop(), Ok(!cfg!(CONFIG_FREEZER)));
        Ok(())
    }
}

#[kunit_tests(rust_kthread_completion)]
mod completion {
    use super::super::*;
    use kernel::{
        prelude::*,
        sync::Arc, //
    };

    #[test]
    fn counts() -> Result {
        let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;

        assert!(!done.is_done());
        assert!(!done.try_wait());
        done.complete();
        done.complete();
        assert!(done.is_done());
        done.wait();
        assert!(done.try_wait());
        assert!(!done.try_wait());
        Ok(())
    }

    #[test]
    fn complete_all_lasts_until_reinit() -> Result {
        let mut done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;

        done.complete_all();
        done.wait();
        assert!(done.wait_timeout(1));
        assert_eq!(done.wait_interruptible(), Ok(()));
        assert_eq!(done.wait_killable(), Ok(()));
        assert_eq!(done.wait_interruptible_timeout(1), Ok(true));
        assert_eq!(done.wait_killable_timeout(1), Ok(true));
        done.as_mut().reinit();
        assert!(!done.try_wait());
        Ok(())
    }

    #[test]
    fn timed_waits_time_out() -> Result {
        let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;

        assert!(!done.wait_timeout(1));
        assert_eq!(done.wait_interruptible_timeout(1), Ok(false));
        assert_eq!(done.wait_killable_timeout(1), Ok(false));
        Ok(())
    }

    #[test]
    fn a_stop_interrupts_the_interruptible_waits_alone() -> Result {
        // SAFETY: The group is dropped when the test ends.
        let group = unsafe { ThreadGroup::new()? };
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let waits = never.clone();
        let thread = group.spawn(fmt!("waits"), move |_| {
            (waits.wait_interruptible(), waits.wait_killable_timeout(1))
        })?;

        assert_eq!(thread.stop(), Ok((Err(ERESTARTSYS), Ok(false))));
        Ok(())
    }
}
