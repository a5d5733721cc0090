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
        cpumask::{
            Cpumask,
            CpumaskVar, //
        },
        fmt,
        new_mutex,
        prelude::*,
        str::CString,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
        time::Delta, //
    };

    /// Enough for a race of two CPUs to go either way. A kernel that checks every access or lock
    /// takes ten times as long for a round.
    const ROUNDS: usize = if cfg!(CONFIG_KASAN) || cfg!(CONFIG_PROVE_LOCKING) {
        200
    } else {
        2000
    };

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

        for _ in 0..ROUNDS / 4 {
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
    fn a_group_that_is_stopped_by_a_member_stops_the_others() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let own = group.clone();
        let drops = count()?;
        let (one, other) = (Counted(drops.clone()), Counted(drops.clone()));

        core::mem::forget(group.lock().spawn(fmt!("other"), move |ctx| {
            until_stopped(ctx);
            drop(one);
        })?);
        let thread = group.lock().spawn(fmt!("member"), move |ctx| {
            let mut group = own.lock();

            group.stop_all();
            drop(other);
            (group.len(), ctx.should_stop())
        })?;
        assert_eq!(thread.join(), Ok((1, true)));
        assert_eq!(drops.load(Relaxed), 2);
        assert!(group.lock().is_empty());
        Ok(())
    }

    #[test]
    fn a_wake_up_that_races_with_the_start_is_not_lost() -> Result {
        let group = group()?;
        let slot = Arc::pin_init(new_mutex!(None::<Waker>), GFP_KERNEL)?;
        let (ready, done) = (count()?, count()?);
        let (given, seen, echo) = (slot.clone(), ready.clone(), done.clone());
        let other = group.spawn(fmt!("waker"), move |ctx| {
            while !ctx.should_stop() {
                if seen.load(Relaxed) == echo.load(Relaxed) {
                    continue;
                }
                if let Some(waker) = given.lock().take() {
                    // The other side is about to start the thread.
                    echo.fetch_add(1, Relaxed);
                    waker.wake();
                }
            }
        })?;

        for round in 1..=ROUNDS / 10 {
            let thread = Builder::new(fmt!("raced")).create(&group, |ctx| ctx.wait())?;

            *slot.lock() = Some(thread.waker());
            ready.fetch_add(1, Relaxed);
            while done.load(Relaxed) < round {
                kernel::task::might_sleep();
            }
            assert_eq!(thread.start().join(), Ok(Wake::Ready));
        }
        other.request_stop();
        assert_eq!(other.join(), Ok(()));
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
    fn a_thread_runs_on_the_cpus_that_it_prefers() -> Result {
        let group = group()?;
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
        let place = |mask: &Cpumask| {
            Builder::new(fmt!("prefers"))
                .placement(Placement::Preferred(mask))
                .spawn(&group, |ctx| {
                    (CpuId::current().as_u32(), ctx.identity().cpus_allowed)
                })
        };

        assert_eq!(place(&mask).err(), Some(EINVAL));
        let last = kernel::cpu::nr_cpu_ids() - 1;
        mask.set(CpuId::from_u32(last).ok_or(EINVAL)?);
        let (cpu, allowed) = place(&mask)?.join()?;
        assert_eq!(cpu, last);
        // It is a preference: nobody has taken the right to move the thread.
        assert_eq!(
            CString::try_from_fmt(fmt!("{allowed}"))?.to_bytes(),
            CString::try_from_fmt(fmt!("{last}"))?.to_bytes()
        );
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

#[kunit_tests(rust_kthread_scope)]
mod scoped {
    use super::super::*;
    use kernel::{
        prelude::*,
        sync::atomic::{
            Atomic,
            Relaxed, //
        }, //
    };

    const ROUNDS: usize = 50;

    /// Counts how often it is dropped.
    struct Counted<'a>(&'a Atomic<usize>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn until_stopped(ctx: &Context<'_>) {
        while ctx.wait() != Wake::Stop {}
    }

    #[test]
    fn a_scoped_thread_borrows_and_returns_what_it_borrowed() -> Result {
        let numbers = [1, 2, 3];

        let (sum, last) = scope(|s| -> Result<_> {
            let sum = s.spawn(fmt!("sum"), |_| numbers.iter().sum::<i32>())?;
            let last = s.spawn(fmt!("last"), |_| numbers.last())?;

            Ok((sum.join()?, last.stop()?))
        })??;
        assert_eq!((sum, last), (6, Some(&3)));
        Ok(())
    }

    #[test]
    fn a_scope_ends_with_all_threads_gone_and_all_they_left_dropped() -> Result {
        for _ in 0..ROUNDS {
            let (runs, drops) = (Atomic::new(0usize), Atomic::new(0usize));

            scope(|s| -> Result {
                // Leaked while it runs, before it is started, while it is parked, and finished.
                for _ in 0..2 {
                    let counted = Counted(&drops);
                    core::mem::forget(s.spawn(fmt!("leaked"), |ctx| {
                        until_stopped(ctx);
                        runs.fetch_add(1, Relaxed);
                        counted
                    })?);
                }
                let counted = Counted(&drops);
                core::mem::forget(
                    Builder::new(fmt!("new")).create_scoped(s, move |_| drop(counted))?,
                );
                let mut parked = s.spawn(fmt!("parked"), |ctx| {
                    until_stopped(ctx);
                    Counted(&drops)
                })?;
                parked.park()?;
                core::mem::forget(parked);
                let finished = s.spawn(fmt!("finished"), |_| Counted(&drops))?;
                while !finished.is_finished() {
                    kernel::task::might_sleep();
                }
                core::mem::forget(finished);
                Ok(())
            })??;
            assert_eq!(runs.load(Relaxed), 2);
            assert_eq!(drops.load(Relaxed), 5);
        }
        Ok(())
    }

    #[test]
    fn a_scoped_handle_may_be_dropped_by_any_thread_of_its_scope() -> Result {
        for _ in 0..ROUNDS {
            let drops = Atomic::new(0usize);
            scope(|s| -> Result {
                let first = s.spawn(fmt!("first"), |ctx| {
                    until_stopped(ctx);
                    Counted(&drops)
                })?;
                // Drops the handle of the first one while the scope ends, too.
                drop(s.spawn(fmt!("second"), move |ctx| {
                    let _ = ctx.wait_timeout(kernel::time::Delta::from_micros(50));
                    drop(first);
                })?);
                Ok(())
            })??;
            assert_eq!(drops.load(Relaxed), 1);
        }
        Ok(())
    }

    #[test]
    fn a_waker_may_outlive_the_scope() -> Result {
        let number = 7;
        let waker = scope(|s| -> Result<_> {
            let thread = s.spawn(fmt!("wakee"), |ctx| (ctx.wait(), &number))?;
            let waker = thread.waker();

            waker.wake();
            assert_eq!(thread.join(), Ok((Wake::Ready, &7)));
            Ok(waker)
        })??;

        waker.wake();
        Ok(())
    }

    #[test]
    fn a_scope_takes_as_long_as_its_slowest_thread() -> Result {
        let asked = Atomic::new(0usize);
        let count = 8;

        // Each thread waits until all others have been asked to stop: stopping one after the other
        // would never end.
        scope(|s| -> Result {
            for _ in 0..count {
                core::mem::forget(s.spawn(fmt!("together"), |ctx| {
                    until_stopped(ctx);
                    asked.fetch_add(1, Relaxed);
                    while asked.load(Relaxed) < count {
                        kernel::time::delay::fsleep(kernel::time::Delta::from_micros(50));
                    }
                })?);
            }
            Ok(())
        })??;
        Ok(())
    }
}

#[kunit_tests(rust_kthread_detached)]
mod detached {
    use super::super::*;
    use kernel::{
        bindings,
        fmt,
        prelude::*,
        sync::Arc,
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };

    /// Returns the module that these tests are part of.
    fn this_module() -> &'static ThisModule {
        #[cfg(MODULE)]
        extern "C" {
            static __this_module: c_int;
        }
        #[cfg(MODULE)]
        static THIS_MODULE: ThisModule =
            // SAFETY: Every module has this symbol, and its address alone is used.
            unsafe { ThisModule::from_ptr((&raw const __this_module).cast_mut().cast()) };
        #[cfg(not(MODULE))]
        // SAFETY: Code that is built in has no module.
        static THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };

        &THIS_MODULE
    }

    fn references() -> c_int {
        match this_module().as_ptr() {
            module if module.is_null() => 0,
            // SAFETY: This is the module of the code that runs.
            module => unsafe { bindings::module_refcount(module) },
        }
    }

    #[test]
    fn a_detached_thread_holds_its_module_until_it_is_gone() -> Result {
        let before = references();
        let ran = Arc::pin_init(Completion::new(), GFP_KERNEL)?;

        for _ in 0..200 {
            let done = ran.clone();
            let waker =
                Builder::new(fmt!("detached")).spawn_detached(this_module(), move |ctx| {
                    if ctx.wait() == Wake::Ready {
                        done.complete();
                    }
                })?;

            if cfg!(MODULE) {
                assert!(references() > before);
            }
            waker.wake();
            ran.wait();
        }
        // It has been dropped by the thread, whose end nobody can wait for.
        for _ in 0..10_000 {
            if references() == before {
                return Ok(());
            }
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(references(), before);
        Ok(())
    }

    #[test]
    fn a_detached_thread_that_can_not_be_made_leaves_nothing_behind() -> Result {
        let before = references();
        let marker = Arc::new((), GFP_KERNEL)?;
        let spawn = |name: fmt::Arguments<'_>, placement| {
            let held = marker.clone();

            Builder::new(name)
                .placement(placement)
                .spawn_detached(this_module(), move |_| drop(held))
                .map(drop)
        };

        assert_eq!(spawn(fmt!(""), Placement::Anywhere), Err(EINVAL));
        assert_eq!(spawn(fmt!("node"), Placement::Node(u32::MAX)), Err(ENODEV));
        assert_eq!(references(), before);
        // No clone of it is left.
        assert!(Arc::into_unique_or_drop(marker).is_some());
        Ok(())
    }

    #[test]
    fn a_module_that_comes_or_goes_can_not_be_held() -> Result {
        let mut fake = KBox::new(
            // SAFETY: A C structure for which all zeroes is a value.
            unsafe { core::mem::zeroed::<bindings::module>() },
            GFP_KERNEL,
        )?;

        for (state, error) in [
            (bindings::module_state_MODULE_STATE_COMING, EBUSY),
            (bindings::module_state_MODULE_STATE_GOING, ENOENT),
        ] {
            fake.state = state;
            // SAFETY: This is no module, but its state and count are all that is looked at, and no
            // thread is made.
            let module = unsafe { ThisModule::from_ptr(&raw mut *fake) };
            // SAFETY: `module` lives until the end of this function, longer than this reference.
            let module = unsafe { &*core::ptr::from_ref(&module) };
            let spawned = Builder::new(fmt!("never")).spawn_detached(module, |_| ());

            assert_eq!(spawned.err(), Some(error));
        }
        Ok(())
    }
}

#[kunit_tests(rust_kthread_completion)]
mod completion {
    use super::super::*;
    use kernel::{
        prelude::*,
        sync::Arc,
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };
    use pin_init::stack_pin_init;

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
    fn a_timeout_may_be_as_long_as_it_can() -> Result {
        let done = Completion::new();
        stack_pin_init!(let done = done);
        let done = done.into_ref();

        scope(|s| -> Result {
            let waits = s.spawn(fmt!("patient"), |_| {
                (
                    done.wait_timeout(usize::MAX),
                    done.wait_killable_timeout(usize::MAX),
                    done.wait_interruptible_timeout(usize::MAX),
                )
            })?;

            for _ in 0..3 {
                fsleep(Delta::from_millis(20));
                done.complete();
            }
            assert_eq!(waits.join(), Ok((true, Ok(true), Ok(true))));
            Ok(())
        })?
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

#[kunit_tests(rust_kthread_worker)]
mod worker {
    use super::super::{
        errno::edeadlk,
        *, //
    };
    use kernel::{
        cpu::CpuId,
        new_mutex,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc,
            Mutex, //
        },
        time::{
            delay::fsleep,
            msecs_to_jiffies,
            Delta, //
        }, //
    };

    const ROUNDS: usize = 200;
    /// So long that a test that waited for it would be noticed.
    const HOUR: u32 = 3_600_000;

    fn group() -> Result<ThreadGroup> {
        // SAFETY: The tests drop their groups when they end. One that fails is killed, and so it
        // leaks its group, in which case this module must not be unloaded.
        unsafe { ThreadGroup::new() }
    }

    fn worker(group: &ThreadGroup) -> Result<Worker> {
        Builder::new(fmt!("worker")).spawn_worker(group)
    }

    /// Counts runs, and drops.
    struct Counter {
        runs: Arc<Atomic<usize>>,
        drops: Arc<Atomic<usize>>,
    }

    impl Counter {
        fn work(counts: &Counts) -> Result<Arc<Work<Self>>> {
            let counter = Self {
                runs: counts.runs.clone(),
                drops: counts.drops.clone(),
            };

            Work::new_arc(counter, GFP_KERNEL)
        }
    }

    impl WorkItem for Counter {
        fn run(this: Arc<Work<Self>>) {
            this.runs.fetch_add(1, Relaxed);
        }
    }

    impl Drop for Counter {
        fn drop(&mut self) {
            self.drops.fetch_add(1, Relaxed);
        }
    }

    struct Counts {
        runs: Arc<Atomic<usize>>,
        drops: Arc<Atomic<usize>>,
    }

    impl Counts {
        fn new() -> Result<Self> {
            Ok(Self {
                runs: Arc::new(Atomic::new(0), GFP_KERNEL)?,
                drops: Arc::new(Atomic::new(0), GFP_KERNEL)?,
            })
        }

        fn get(&self) -> (usize, usize) {
            (self.runs.load(Relaxed), self.drops.load(Relaxed))
        }
    }

    /// A work that blocks the worker until it is let go.
    struct Block {
        reached: Arc<Completion>,
        go: Arc<Completion>,
    }

    impl Block {
        fn new() -> Result<Self> {
            Ok(Self {
                reached: Arc::pin_init(Completion::new(), GFP_KERNEL)?,
                go: Arc::pin_init(Completion::new(), GFP_KERNEL)?,
            })
        }

        fn put(worker: &Worker) -> Result<Self> {
            let block = Self::new()?;
            let (reached, go) = (block.reached.clone(), block.go.clone());

            worker.spawn(GFP_KERNEL, move || {
                reached.complete();
                go.wait();
            })?;
            block.reached.wait();
            Ok(block)
        }
    }

    #[test]
    fn work_runs_in_the_order_in_which_it_is_queued() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let order = Arc::pin_init(new_mutex!(KVec::new()), GFP_KERNEL)?;

        for number in 0..100 {
            let order: Arc<Mutex<KVec<i32>>> = order.clone();
            worker.spawn(GFP_KERNEL, move || {
                let _ = order.lock().push(number, GFP_KERNEL);
            })?;
        }
        worker.flush()?;
        let order = order.lock();
        assert_eq!(order.len(), 100);
        assert!(order.iter().copied().eq(0..100));
        Ok(())
    }

    #[test]
    fn work_that_is_pending_is_given_back() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;
        let block = Block::put(&worker)?;

        assert!(worker.queue(work.clone()).is_ok());
        let refused = worker.queue(work.clone()).err().ok_or(EINVAL)?;
        assert_eq!(refused.reason, Refusal::Pending);
        assert!(worker.queue_delayed(refused.work, 1).is_err());
        block.go.complete();
        worker.flush()?;
        assert_eq!(counts.get(), (1, 0));
        // It can be queued again, and nobody else holds it in the end.
        assert!(worker.queue(work.clone()).is_ok());
        worker.flush()?;
        drop(work);
        assert_eq!(counts.get(), (2, 1));
        Ok(())
    }

    #[test]
    fn work_belongs_to_one_worker() -> Result {
        let group = group()?;
        let (one, other) = (worker(&group)?, worker(&group)?);
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;

        assert!(one.queue(work.clone()).is_ok());
        one.flush()?;
        for refused in [
            other.queue(work.clone()).err(),
            other.queue_delayed(work.clone(), 1).err(),
            other.mod_delayed(work.clone(), 1).err(),
        ] {
            assert_eq!(refused.ok_or(EINVAL)?.reason, Refusal::OtherWorker);
        }
        assert!(other.cancel_sync(&work)?.is_none());
        drop(work);
        assert_eq!(counts.get(), (1, 1));
        Ok(())
    }

    #[test]
    fn delayed_work_runs_later_or_sooner() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;

        assert!(worker
            .queue_delayed(work.clone(), msecs_to_jiffies(HOUR))
            .is_ok());
        worker.flush()?;
        assert_eq!(counts.get(), (0, 0));
        // It was pending, and runs at the next tick.
        assert!(matches!(worker.mod_delayed(work.clone(), 0), Ok(Some(_))));
        while counts.get().0 < 1 {
            fsleep(Delta::from_millis(1));
        }
        // It was not pending.
        assert!(matches!(worker.mod_delayed(work.clone(), 1), Ok(None)));
        while counts.get().0 < 2 {
            fsleep(Delta::from_millis(1));
        }
        assert!(worker.queue_delayed(work.clone(), 0).is_ok());
        worker.flush()?;
        // A delay that would wrap around is one that does not end.
        assert!(worker.queue_delayed(work.clone(), usize::MAX).is_ok());
        fsleep(Delta::from_millis(20));
        assert_eq!(counts.get(), (3, 0));
        assert!(worker.cancel_sync(&work)?.is_some());
        drop(work);
        assert_eq!(counts.get(), (3, 1));
        Ok(())
    }

    #[test]
    fn cancelled_work_is_given_back_and_does_not_run() -> Result {
        let group = group()?;
        let worker = worker(&group)?;
        let counts = Counts::new()?;
        let work = Counter::work(&counts)?;

        assert!(worker.cancel_sync(&work)?.is_none());
        for round in 0..ROUNDS {
            // Cancelled while it is queued, while it waits, and about when its timer fires.
            let queued = match round % 3 {
                0 => worker.queue(work.clone()),
                1 => worker.queue_delayed(work.clone(), msecs_to_jiffies(HOUR)),
                _ => worker.queue_delayed(work.clone(), 1),
            };
            assert!(queued.is_ok());
            if round % 3 == 2 {
                fsleep(Delta::from_millis(1));
            }
            let before = counts.get().0;
            let cancelled = worker.cancel_sync(&work)?.is_some();
            let after = counts.get().0;
            worker.flush()?;
            assert_eq!(counts.get().0, after);
            assert!(!cancelled || after == before);
        }
        drop(work);
        assert_eq!(counts.get().1, 1);
        Ok(())
    }

    #[test]
    fn to_cancel_waits_for_what_runs() -> Result {
        struct Slow(Block, Atomic<usize>);

        impl WorkItem for Slow {
            fn run(this: Arc<Work<Self>>) {
                this.0.reached.complete();
                fsleep(Delta::from_millis(20));
                this.1.store(1, Relaxed);
            }
        }

        let group = group()?;
        let worker = worker(&group)?;
        let slow = Work::new_arc(Slow(Block::new()?, Atomic::new(0)), GFP_KERNEL)?;

        assert!(worker.queue(slow.clone()).is_ok());
        slow.0.reached.wait();
        assert!(worker.cancel_sync(&slow)?.is_none());
        assert_eq!(slow.1.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn work_can_not_wait_for_itself() -> Result {
        struct Selfish {
            worker: Arc<Worker>,
            other: Arc<Work<Counter>>,
            done: Arc<Completion>,
        }

        impl WorkItem for Selfish {
            fn run(this: Arc<Work<Self>>) {
                if this.worker.flush() == Err(edeadlk())
                    && this.worker.cancel_sync(&this).err() == Some(edeadlk())
                    && matches!(this.worker.cancel_sync(&this.other), Ok(Some(_)))
                {
                    this.done.complete();
                }
            }
        }

        let group = group()?;
        let worker = Arc::new(worker(&group)?, GFP_KERNEL)?;
        let counts = Counts::new()?;
        let other = Counter::work(&counts)?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let selfish = Selfish {
            worker: worker.clone(),
            other: other.clone(),
            done: done.clone(),
        };

        assert!(worker.queue_delayed(other, msecs_to_jiffies(HOUR)).is_ok());
        assert!(worker.queue(Work::new_arc(selfish, GFP_KERNEL)?).is_ok());
        done.wait();
        worker.flush()?;
        assert_eq!(counts.get(), (0, 1));
        Ok(())
    }

    #[test]
    fn a_worker_that_is_dropped_runs_what_is_queued_and_drops_what_is_not() -> Result {
        for _ in 0..ROUNDS {
            let group = group()?;
            let worker = worker(&group)?;
            let (queued, waiting) = (Counts::new()?, Counts::new()?);

            for _ in 0..3 {
                assert!(worker.queue(Counter::work(&queued)?).is_ok());
            }
            for delay in [msecs_to_jiffies(HOUR), 1, 1] {
                assert!(worker
                    .queue_delayed(Counter::work(&waiting)?, delay)
                    .is_ok());
            }
            drop(worker);
            assert_eq!(queued.get(), (3, 3));
            assert_eq!(waiting.get().1, 3);
            assert!(group.is_empty());
        }
        Ok(())
    }

    /// Queues itself for ever, in three ways.
    struct Again {
        worker: Arc<Mutex<Option<Arc<Worker>>>>,
        round: Atomic<usize>,
        counter: Counter,
    }

    impl WorkItem for Again {
        fn run(this: Arc<Work<Self>>) {
            let worker = this.worker.lock().clone();

            this.counter.runs.fetch_add(1, Relaxed);
            if let Some(worker) = worker {
                let _ = match this.round.fetch_add(1, Relaxed) % 3 {
                    0 => worker.queue(this),
                    1 => worker.queue_delayed(this, 1),
                    _ => worker.mod_delayed(this, 0).map(|_| ()),
                };
            }
        }
    }

    fn again(worker: &Arc<Mutex<Option<Arc<Worker>>>>, counts: &Counts) -> Result {
        let again = Again {
            worker: worker.clone(),
            round: Atomic::new(0),
            counter: Counter {
                runs: counts.runs.clone(),
                drops: counts.drops.clone(),
            },
        };

        if let Some(worker) = worker.lock().as_ref() {
            worker.queue(Work::new_arc(again, GFP_KERNEL)?)?;
        }
        Ok(())
    }

    #[test]
    fn a_group_stops_a_worker_that_was_leaked_with_work_that_queues_itself() -> Result {
        for _ in 0..ROUNDS / 10 {
            let group = group()?;
            let counts = Counts::new()?;
            let worker = Arc::new(worker(&group)?, GFP_KERNEL)?;
            let slot = Arc::pin_init(new_mutex!(Some(worker.clone())), GFP_KERNEL)?;

            for _ in 0..5 {
                again(&slot, &counts)?;
            }
            while counts.get().0 < 20 {
                fsleep(Delta::from_micros(100));
            }
            drop(group);
            // The queue holds none any more, and the worker takes none.
            assert_eq!(counts.get().1, 5);
            let refused = worker.queue(Counter::work(&counts)?).err();
            assert_eq!(refused.ok_or(EINVAL)?.reason, Refusal::Stopped);
            assert_eq!(worker.flush(), Err(ESRCH));
        }
        Ok(())
    }

    #[test]
    fn a_worker_that_is_dropped_by_its_own_work_is_left_to_its_group() -> Result {
        let group = group()?;
        let own = worker(&group)?;
        let slot = Arc::pin_init(new_mutex!(None::<Worker>), GFP_KERNEL)?;
        let taken = slot.clone();
        let block = Block::put(&own)?;

        own.spawn(GFP_KERNEL, move || drop(taken.lock().take()))?;
        *slot.lock() = Some(own);
        block.go.complete();
        while slot.lock().is_some() {
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(group.len(), 1);
        drop(group);
        Ok(())
    }

    #[test]
    fn a_worker_runs_where_and_how_its_builder_says() -> Result {
        let group = group()?;
        let cpu = kernel::cpu::nr_cpu_ids() - 1;
        let worker = Builder::new(fmt!("last-cpu/{cpu}"))
            .placement(Placement::Cpu(CpuId::from_u32(cpu).ok_or(EINVAL)?))
            .policy(Policy::FifoLow)
            .freezable()
            .spawn_worker(&group)?;
        let ran_on = Arc::new(Atomic::new(u32::MAX), GFP_KERNEL)?;
        let here = ran_on.clone();

        worker.spawn(GFP_KERNEL, move || {
            here.store(CpuId::current().as_u32(), Relaxed)
        })?;
        worker.flush()?;
        assert_eq!(ran_on.load(Relaxed), cpu);
        let identity = worker.observer().identity();
        assert!(identity.is_fifo());
        assert_eq!(identity.nofreeze, !cfg!(CONFIG_FREEZER));
        let node = Builder::new(fmt!("nowhere")).placement(Placement::Node(u32::MAX));
        assert_eq!(node.spawn_worker(&group).err(), Some(ENODEV));
        Ok(())
    }

    #[test]
    fn cancel_and_queue_race_from_many_threads() -> Result {
        let counts = Counts::new()?;

        {
            let group = group()?;
            let worker = worker(&group)?;
            let work = Counter::work(&counts)?;

            scope(|s| -> Result {
                for way in 0..4 {
                    let (worker, work) = (&worker, &work);
                    core::mem::forget(s.spawn(fmt!("racer-{way}"), move |ctx| {
                        while !ctx.should_stop() {
                            match way {
                                0 => drop(worker.queue(work.clone())),
                                1 => drop(worker.queue_delayed(work.clone(), 1)),
                                2 => drop(worker.mod_delayed(work.clone(), 1)),
                                _ => drop(worker.cancel_sync(work)),
                            }
                            kernel::task::might_sleep();
                        }
                    })?);
                }
                fsleep(Delta::from_millis(2000));
                Ok(())
            })??;
        }
        // However they ended: the work is dropped, and once.
        assert_eq!(counts.get().1, 1);
        Ok(())
    }
}

#[kunit_tests(rust_kthread_percpu)]
mod percpu {
    use super::super::{
        errno::edeadlk,
        *, //
    };
    use kernel::{
        bindings,
        cpu::CpuId,
        error::to_result,
        new_mutex,
        prelude::*,
        str::CString,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc,
            Mutex, //
        },
        task::Task,
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };

    fn group() -> Result<ThreadGroup> {
        // SAFETY: The tests drop their groups when they end. One that fails is killed, and so it
        // leaks its group, in which case this module must not be unloaded.
        unsafe { ThreadGroup::new() }
    }

    /// What has happened on each of the first CPUs.
    #[derive(Default)]
    struct Log {
        setups: usize,
        runs: usize,
        parks: usize,
        unparks: usize,
        cleanups: usize,
        /// Calls on another CPU.
        strays: usize,
    }

    impl Log {
        fn calls(&self) -> [usize; 6] {
            [
                self.setups,
                self.runs,
                self.parks,
                self.unparks,
                self.cleanups,
                self.strays,
            ]
        }
    }

    struct Logger {
        logs: Arc<Mutex<KVec<Log>>>,
    }

    impl_has_slot!(Logger);

    impl Logger {
        fn log(&self, cpu: CpuId, what: impl FnOnce(&mut Log)) {
            if let Some(log) = self.logs.lock().get_mut(cpu.as_u32() as usize) {
                what(log);
                if CpuId::current() != cpu {
                    log.strays += 1;
                }
            }
        }
    }

    impl PerCpuThread for Logger {
        fn setup(&self, cpu: CpuId) {
            // SAFETY: This is the current task, and nobody renames it.
            let comm = unsafe { (*Task::current_raw()).comm };

            // The name of all of these begins so, and is no format.
            if comm.starts_with(b"log%s") {
                self.log(cpu, |log| log.setups += 1);
            }
        }

        fn run(&self, cpu: CpuId) {
            self.log(cpu, |log| log.runs += 1);
        }

        fn park(&self, cpu: CpuId) {
            self.log(cpu, |log| log.parks += 1);
        }

        fn unpark(&self, cpu: CpuId) {
            self.log(cpu, |log| log.unparks += 1);
        }

        fn cleanup(&self, cpu: CpuId, online: bool) {
            self.log(cpu, |log| log.cleanups += usize::from(online));
        }
    }

    fn logs() -> Result<Arc<Mutex<KVec<Log>>>> {
        let mut logs = KVec::new();

        for _ in 0..kernel::cpu::nr_cpu_ids() {
            logs.push(Log::default(), GFP_KERNEL)?;
        }
        Arc::pin_init(new_mutex!(logs), GFP_KERNEL)
    }

    /// Waits until the calls on `cpu` are these.
    fn expect(logs: &Mutex<KVec<Log>>, cpu: CpuId, calls: [usize; 6]) {
        let get = || logs.lock().get(cpu.as_u32() as usize).map(Log::calls);

        for _ in 0..10_000 {
            if get() == Some(calls) {
                return;
            }
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(get(), Some(calls));
    }

    #[test]
    fn a_thread_for_each_cpu_runs_there_when_woken() -> Result {
        let group = group()?;
        let logs = logs()?;
        let threads =
            PerCpuThreads::register(&group, fmt!("log%s"), Logger { logs: logs.clone() })?;

        for round in 1..=100 {
            for cpu in (0..kernel::cpu::nr_cpu_ids()).filter_map(CpuId::from_u32) {
                threads.wake(cpu);
                expect(&logs, cpu, [1, round, 0, 0, 0, 0]);
            }
        }
        let more =
            PerCpuThreads::register(&group, fmt!("log%s-more"), Logger { logs: logs.clone() });
        assert_eq!(more.err(), Some(EBUSY));
        drop(threads);
        for cpu in (0..kernel::cpu::nr_cpu_ids()).filter_map(CpuId::from_u32) {
            expect(&logs, cpu, [1, 100, 0, 0, 1, 0]);
        }
        // The slot is free again, and a group stops what has been leaked.
        core::mem::forget(PerCpuThreads::register(
            &group,
            fmt!("log%s-again"),
            Logger { logs: logs.clone() },
        )?);
        assert_eq!(group.len(), 1);
        drop(group);
        let other = self::group()?;
        assert_eq!(
            PerCpuThreads::register(&other, fmt!(""), Logger { logs: logs.clone() }).err(),
            Some(EINVAL)
        );
        assert!(PerCpuThreads::register(&other, fmt!("log%s-last"), Logger { logs }).is_ok());
        assert!(other.is_empty());
        Ok(())
    }

    /// Takes a CPU offline or online.
    fn plug(cpu: CpuId, online: bool) -> Result {
        #[cfg(CONFIG_HOTPLUG_CPU)]
        // SAFETY: The CPU exists, and this may sleep.
        return to_result(unsafe {
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

    #[test]
    fn threads_follow_cpu_hotplug() -> Result {
        let group = group()?;
        let logs = logs()?;
        let last = kernel::cpu::nr_cpu_ids() - 1;
        let cpu = CpuId::from_u32(last).ok_or(EINVAL)?;
        if last == 0 || !cfg!(CONFIG_HOTPLUG_CPU) {
            return Ok(());
        }
        let threads =
            PerCpuThreads::register(&group, fmt!("log%s-plug"), Logger { logs: logs.clone() })?;
        // What is bound by the builder does not follow.
        let bound = Builder::new(fmt!("bound"))
            .placement(Placement::Cpu(cpu))
            .spawn(&group, |ctx| {
                while ctx.wait() != Wake::Stop {}
                CString::try_from_fmt(fmt!("{}", ctx.identity().cpus_allowed))
            })?;

        expect(&logs, cpu, [1, 0, 0, 0, 0, 0]);
        for round in 1..=3 {
            plug(cpu, false)?;
            expect(&logs, cpu, [1, round - 1, round, round - 1, 0, 0]);
            // This is kept.
            threads.wake(cpu);
            bound.wake();
            plug(cpu, true)?;
            expect(&logs, cpu, [1, round, round, round, 0, 0]);
        }
        assert!(bound.stop()??.to_bytes().len() > 1);

        plug(cpu, false)?;
        // The thread of a CPU that is offline cleans up on another one.
        drop(threads);
        expect(&logs, cpu, [1, 3, 4, 3, 0, 1]);
        let threads =
            PerCpuThreads::register(&group, fmt!("log%s-late"), Logger { logs: logs.clone() })?;
        expect(&logs, cpu, [1, 3, 4, 3, 0, 1]);
        plug(cpu, true)?;
        // It gets its thread when it comes.
        threads.wake(cpu);
        expect(&logs, cpu, [2, 4, 4, 3, 0, 1]);
        Ok(())
    }

    struct Selfish {
        own: Arc<Mutex<Option<PerCpuThreads<Selfish>>>>,
        group: Arc<Mutex<ThreadGroup>>,
        refused: Arc<Atomic<usize>>,
    }

    impl_has_slot!(Selfish);

    struct Idle;

    impl_has_slot!(Idle);

    impl PerCpuThread for Idle {
        fn run(&self, _cpu: CpuId) {}
    }

    impl PerCpuThread for Selfish {
        fn run(&self, _cpu: CpuId) {
            let mut group = self.group.lock();

            if PerCpuThreads::register(&group, fmt!("idle"), Idle).err() == Some(edeadlk()) {
                self.refused.fetch_add(1, Relaxed);
            }
            group.stop_all();
            if group.len() == 1 {
                self.refused.fetch_add(1, Relaxed);
            }
            drop(self.own.lock().take());
            self.refused.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_percpu_thread_does_not_wait_for_cpu_hotplug() -> Result {
        let group = Arc::pin_init(new_mutex!(group()?), GFP_KERNEL)?;
        let own = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let refused = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let selfish = Selfish {
            own: own.clone(),
            group: group.clone(),
            refused: refused.clone(),
        };
        let threads = PerCpuThreads::register(&group.lock(), fmt!("selfish"), selfish)?;

        let mut slot = own.lock();
        threads.wake(CpuId::from_u32(0).ok_or(EINVAL)?);
        *slot = Some(threads);
        drop(slot);
        while refused.load(Relaxed) < 3 {
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(group.lock().len(), 1);
        group.lock().stop_all();
        assert!(group.lock().is_empty());
        Ok(())
    }
}

#[kunit_tests(rust_kthread_mm)]
mod mm {
    use super::super::*;
    use kernel::{
        bindings,
        current,
        error::to_result,
        page::PAGE_SIZE,
        prelude::*,
        sync::aref::ARef,
        uaccess::{
            UserPtr,
            UserSlice, //
        }, //
    };

    // The bindings do not cover `asm/mman.h`. These are what most architectures have.
    const PROT_READ: usize = 1;
    const PROT_WRITE: usize = 2;
    const MAP_PRIVATE: usize = 2;
    const MAP_ANONYMOUS: usize = 0x20;

    #[test]
    fn a_thread_uses_an_address_space_for_as_long_as_it_says() -> Result {
        // SAFETY: The group is dropped when the test ends.
        let group = unsafe { ThreadGroup::new()? };
        // SAFETY: The test runs in a kernel thread, which may use an address space until it ends.
        to_result(unsafe { bindings::kunit_attach_mm() })?;
        // SAFETY: The current task has an address space. The arguments ask for a new page.
        let addr = unsafe {
            bindings::vm_mmap(
                core::ptr::null_mut(),
                0,
                PAGE_SIZE,
                PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS,
                0,
            )
        };
        assert!(addr % PAGE_SIZE == 0);
        let mm = ARef::from(current!().mm().ok_or(EINVAL)?);
        let used = mm.clone();

        let thread = group.spawn(fmt!("user"), move |ctx| -> Result<[bool; 3]> {
            let before = ctx.identity().mm;
            let within = ctx.use_mm(&used, || -> Result<bool> {
                UserSlice::new(UserPtr::from_addr(addr), 4)
                    .writer()
                    .write(&0x1234_5678_u32)?;
                Ok(current!().mm().is_some_and(|mm| core::ptr::eq(mm, &*used)))
            })?;
            // It can be done again, and says what the closure says.
            assert_eq!(ctx.use_mm(&used, || 7), 7);
            Ok([before, within, ctx.identity().mm])
        })?;

        assert_eq!(thread.join()??, [false, true, false]);
        let found = UserSlice::new(UserPtr::from_addr(addr), 4)
            .reader()
            .read::<u32>()?;
        assert_eq!(found, 0x1234_5678);
        Ok(())
    }
}
