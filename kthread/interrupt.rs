// SPDX-License-Identifier: GPL-2.0

//! Ending what a thread waits for without stopping it: interrupts, and signals.
//!
//! The holder of the handle sends an interrupt, and every thread can receive one. Signals come from
//! user space, to threads that allow them.

use super::{
    context::Context,
    signal::{
        self,
        Signal, //
    },
    thread::Thread, //
};

impl<T: Send, S> Thread<T, S> {
    /// Ends the waits of the thread, without stopping it.
    ///
    /// The waits of its [`Context`] return [`Wake::Interrupt`], and every other interruptible sleep
    /// ends with [`ERESTARTSYS`], such as [`Completion::wait_interruptible`] or one in C code: the
    /// present one, or the next one if it does not sleep. This goes on until the closure takes the
    /// interrupt, by a wait of its context or [`Context::take_interrupt`]. Any number of interrupts
    /// that have not been taken count as one.
    ///
    /// A parked or frozen thread finds it when it continues. A thread that has been asked to stop
    /// still gets [`Wake::Stop`].
    ///
    /// May be called from any context.
    ///
    /// In C this is `send_sig()` of a signal that the thread allows. This uses no signal: it sets
    /// `TIF_NOTIFY_SIGNAL` and calls `wake_up_process()` of
    /// [`kernel/sched/core.c`](srctree/kernel/sched/core.c).
    ///
    /// # Examples
    ///
    /// A thread that is told to read its settings again while it waits for something else:
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, connected: Arc<Completion>) -> Result {
    /// let thread = group.spawn(fmt!("listener"), move |ctx| {
    ///     while !ctx.should_stop() {
    ///         match connected.wait_interruptible() {
    ///             Ok(()) => pr_info!("connected\n"),
    ///             Err(_) if ctx.take_interrupt() => pr_info!("other settings\n"),
    ///             Err(_) => {}
    ///         }
    ///     }
    /// })?;
    ///
    /// thread.interrupt();
    /// thread.stop()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`ERESTARTSYS`]: kernel::error::code::ERESTARTSYS
    /// [`Wake::Stop`]: super::Wake::Stop
    /// [`Wake::Interrupt`]: super::Wake::Interrupt
    /// [`Completion::wait_interruptible`]: super::Completion::wait_interruptible
    #[doc(alias = "send_sig")]
    pub fn interrupt(&self) {
        self.core().interrupt();
    }
}

impl<M> Context<'_, M> {
    /// Takes the interrupt that [`Thread::interrupt`] has sent, and returns whether there was one.
    ///
    /// After that the thread can sleep again.
    ///
    /// Does not sleep.
    #[doc(alias = "flush_signals")]
    pub fn take_interrupt(&self) -> bool {
        self.core().take_interrupt()
    }

    /// Takes a signal that the thread [allows], if one has come.
    ///
    /// A closure that sleeps interruptibly without its context has to call this after such a sleep,
    /// or the next one ends at once.
    ///
    /// Does not sleep, except on `PREEMPT_RT` for a lock. Must not be called with interrupts off.
    ///
    /// Wraps `kernel_sigaction()` of [`kernel/signal.c`](srctree/kernel/signal.c), and does what
    /// `kernel_dequeue_signal()` does.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup, never: Arc<Completion>) -> Result {
    /// let thread = Builder::new(fmt!("waits"))
    ///     .allow(Signal::Int)
    ///     .spawn(group, move |ctx| {
    ///         let _ = never.wait_interruptible();
    ///         ctx.take_signal() == Some(Signal::Int)
    ///     })?;
    ///
    /// assert_eq!(thread.stop(), Ok(false));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [allows]: super::Builder::allow
    #[doc(alias = "kernel_dequeue_signal")]
    #[doc(alias = "signal_pending")]
    pub fn take_signal(&self) -> Option<Signal> {
        let signals = self.core().options.signals;

        if signals.is_empty() || !signal::is_pending() {
            return None;
        }
        signal::take(signals)
    }
}

#[cfg(kthread_kunit)]
#[kernel::macros::kunit_tests(rust_kthread_interrupt)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        },
        task::Task,
        time::{
            msecs_to_jiffies,
            Delta, //
        }, //
    };

    const HOUR: Delta = Delta::from_secs(3600);

    fn never() -> Result<Arc<Completion>> {
        Arc::pin_init(Completion::new(), GFP_KERNEL)
    }

    /// Sends a signal as `kill(2)` does, to a thread that does not exit during the call.
    fn kill(task: &Task, number: u32) -> c_int {
        // SAFETY: The caller holds a reference to the task, which is alive and so has its
        // `struct pid`. The last argument says that the signal comes from the current task, and is
        // not forced.
        unsafe { bindings::kill_pid((*task.as_ptr()).thread_pid, number as c_int, 0) }
    }

    /// Sends a signal as `tgkill(2)` does, without a check of permission.
    fn tgkill(task: &Task, number: u32) -> c_int {
        // SAFETY: The caller holds a reference to the task. The last argument is as above.
        unsafe { bindings::send_sig(number as c_int, task.as_ptr(), 0) }
    }

    #[test]
    fn an_interrupt_ends_a_foreign_sleep_and_is_taken_once() -> Result {
        let group = group()?;

        // Sent before and after the sleep begins.
        for is_early in [true, false] {
            let (never, waiting, go) = (never()?, count()?, never()?);
            let (told, goes) = (waiting.clone(), go.clone());
            let thread = group.spawn(fmt!("foreign"), move |ctx| {
                let took_none = ctx.take_interrupt();

                told.fetch_add(1, Relaxed);
                if is_early {
                    goes.wait_for_completion();
                }
                // It lasts until it is taken.
                let ended = (never.wait_interruptible(), never.wait_interruptible());
                let took = (took_none, ctx.take_interrupt(), ctx.take_interrupt());
                let sleeps = never.wait_interruptible_timeout(msecs_to_jiffies(10));
                (ended, took, sleeps, ctx.should_stop())
            })?;

            assert!(eventually(|| waiting.load(Relaxed) == 1));
            if !is_early {
                assert!(sleeps(thread.task()));
            }
            thread.interrupt();
            if is_early {
                // The thread cannot have taken the first one yet.
                thread.interrupt();
            }
            go.complete();
            assert_eq!(
                thread.join(),
                Ok((
                    (Err(ERESTARTSYS), Err(ERESTARTSYS)),
                    (false, true, false),
                    Ok(false),
                    false
                ))
            );
        }
        Ok(())
    }

    #[test]
    fn an_interrupt_ends_every_wait_and_stops_nothing() -> Result {
        let group = group()?;
        let waits = count()?;
        let begun = waits.clone();
        let mut thread = group.spawn(fmt!("waits"), move |ctx| {
            let begin = || begun.fetch_add(1, Relaxed);

            begin();
            let one = ctx.wait();
            begin();
            let two = ctx.wait_timeout(HOUR);
            begin();
            let three = ctx.wait_until(|| false);
            begin();
            // It is as before.
            let four = ctx.wait_timeout(Delta::from_millis(1));
            begin();
            ([one, two, three, four], ctx.wait(), ctx.wait())
        })?;

        for round in 1..=3 {
            assert!(eventually(|| waits.load(Relaxed) == round));
            match round {
                // A parked thread finds it later.
                2 => {
                    thread.park()?;
                    thread.interrupt();
                    assert_eq!(waits.load(Relaxed), 2);
                    thread.unpark()?;
                }
                _ => thread.interrupt(),
            }
        }
        // It no longer sleeps in a wait that ends by itself.
        assert!(eventually(|| waits.load(Relaxed) == 5));
        assert!(sleeps(thread.task()));
        thread.wake();
        assert!(sleeps(thread.task()));
        assert_eq!(
            thread.stop(),
            Ok((
                [
                    Wake::Interrupt,
                    Wake::Interrupt,
                    Wake::Interrupt,
                    Wake::Timeout
                ],
                Wake::Ready,
                Wake::Stop
            ))
        );
        Ok(())
    }

    #[test]
    fn what_is_interrupted_and_asked_to_stop_stops() -> Result {
        let group = group()?;

        for _ in 0..ROUNDS / 20 {
            let (waits, quiet, asked) = (never()?, never()?, count()?);
            let (told, enough) = (quiet.clone(), asked.clone());
            let thread = Arc::new(
                group.spawn(fmt!("both"), move |ctx| {
                    while ctx.wait() != Wake::Stop {}
                    // From here on nobody interrupts it. Taking the last interrupt must not make it
                    // sleep again, as it has been asked to stop.
                    quiet.wait_for_completion();
                    ctx.take_interrupt();
                    let _ = waits.wait_interruptible();
                })?,
                GFP_KERNEL,
            )?;
            let target = thread.clone();
            let pest = group.spawn(fmt!("pest"), move |ctx| {
                while enough.load(Relaxed) == 0 {
                    target.interrupt();
                    ctx.yield_point();
                }
                target.interrupt();
                told.complete();
            })?;

            pause();
            thread.request_stop();
            asked.fetch_add(1, Relaxed);
            assert_eq!(pest.join(), Ok(()));
            assert!(eventually(|| thread.is_finished()));
        }
        Ok(())
    }

    #[test]
    fn a_thread_that_has_taken_all_interrupts_sleeps() -> Result {
        let group = group()?;
        let taken = count()?;
        let counted = taken.clone();
        let thread = Arc::new(
            group.spawn(fmt!("target"), move |ctx| loop {
                match ctx.wait() {
                    Wake::Stop => return,
                    Wake::Interrupt => counted.fetch_add(1, Relaxed),
                    _ => 0,
                };
            })?,
            GFP_KERNEL,
        )?;
        let mut pests = KVec::new();

        for _ in 0..2 {
            let target = thread.clone();
            let pest = group.spawn(fmt!("pest"), move |_| {
                for _ in 0..ROUNDS {
                    target.interrupt();
                }
            })?;

            pests.push(pest, GFP_KERNEL)?;
        }
        for pest in pests {
            assert_eq!(pest.join(), Ok(()));
        }
        assert!(sleeps(thread.task()));
        let before = taken.load(Relaxed);
        assert!(before > 0 && before <= 2 * ROUNDS);
        // No signal is lost.
        thread.interrupt();
        assert!(eventually(|| taken.load(Relaxed) == before + 1));
        Ok(())
    }

    #[test]
    fn a_signal_that_is_allowed_ends_sleeps_and_is_taken_once() -> Result {
        let group = group()?;

        for signal in Signal::ALL {
            let (never, steps) = (never()?, count()?);
            let counted = steps.clone();
            let thread = Builder::new(fmt!("signals"))
                .allow(signal)
                .spawn(&group, move |ctx| {
                    let step = || counted.fetch_add(1, Relaxed);

                    step();
                    let wake = ctx.wait_until(|| false);
                    step();
                    let ended = (never.wait_interruptible(), ctx.take_signal());
                    step();
                    let took = ctx.take_signal();
                    let sleeps = never.wait_interruptible_timeout(msecs_to_jiffies(10));
                    step();
                    (wake, ended, took, sleeps, ctx.wait())
                })?;

            for round in 1..=2 {
                assert!(eventually(|| steps.load(Relaxed) == round));
                assert!(sleeps(thread.task()));
                assert_eq!(kill(thread.task(), signal.number()), 0);
            }
            assert!(eventually(|| steps.load(Relaxed) == 4));
            assert!(sleeps(thread.task()));
            assert_eq!(
                thread.stop(),
                Ok((
                    Wake::Signal(signal),
                    (Err(ERESTARTSYS), Some(signal)),
                    None,
                    Ok(false),
                    Wake::Stop
                ))
            );
        }
        Ok(())
    }

    #[test]
    fn a_signal_that_is_not_allowed_is_ignored() -> Result {
        let group = group()?;
        let plain = group.spawn(fmt!("plain"), |ctx| (ctx.wait(), ctx.take_signal()))?;
        let picky = Builder::new(fmt!("picky"))
            .allow(Signal::Usr1)
            .allow(Signal::Kill)
            .spawn(&group, |ctx| {
                let mut taken = KVec::new();
                loop {
                    match ctx.wait() {
                        Wake::Stop => return taken,
                        Wake::Signal(signal) => drop(taken.push(signal, GFP_KERNEL)),
                        _ => {}
                    }
                }
            })?;

        for thread in [plain.task(), picky.task()] {
            // Before the closure runs, all signals are ignored.
            assert!(sleeps(thread));
        }
        // All signals that a process can receive, including real-time ones.
        for number in 1..=64 {
            for thread in [plain.task(), picky.task()] {
                assert_eq!(kill(thread, number), 0);
                assert!(sleeps(thread));
            }
        }
        assert_eq!(plain.stop(), Ok((Wake::Stop, None)));
        assert!(picky
            .stop()?
            .iter()
            .copied()
            .eq([Signal::Kill, Signal::Usr1]));
        Ok(())
    }

    #[test]
    fn a_signal_ends_killable_sleeps_if_it_kills() -> Result {
        let group = group()?;
        let (never, go) = (never()?, never()?);
        let (waits, goes) = (never.clone(), go.clone());
        let thread = Builder::new(fmt!("killable"))
            .allow(Signal::Kill)
            .allow(Signal::Term)
            .spawn(&group, move |ctx| {
                let ended = waits.wait_killable();
                let taken = [ctx.take_signal(), ctx.take_signal(), ctx.take_signal()];

                goes.complete();
                (ended, taken)
            })?;

        assert!(sleeps(thread.task()));
        assert_eq!(tgkill(thread.task(), bindings::SIGTERM), 0);
        assert!(sleeps(thread.task()) && !go.is_done());
        // One for a whole process would end them only if it killed that.
        assert_eq!(kill(thread.task(), bindings::SIGKILL), 0);
        assert!(sleeps(thread.task()) && !go.is_done());
        assert_eq!(tgkill(thread.task(), bindings::SIGKILL), 0);
        go.wait_for_completion();
        assert_eq!(
            thread.join(),
            Ok((
                Err(ERESTARTSYS),
                [Some(Signal::Kill), Some(Signal::Term), None]
            ))
        );
        Ok(())
    }

    #[test]
    fn no_signal_is_lost_and_none_comes_twice() -> Result {
        let group = group()?;
        let taken = count()?;
        let counted = taken.clone();
        let thread =
            Builder::new(fmt!("target"))
                .allow(Signal::Usr2)
                .spawn(&group, move |ctx| loop {
                    match ctx.wait() {
                        Wake::Stop => return,
                        Wake::Signal(Signal::Usr2) => counted.fetch_add(1, Relaxed),
                        _ => 0,
                    };
                })?;

        assert!(sleeps(thread.task()));
        for round in 1..=ROUNDS / 10 {
            assert_eq!(kill(thread.task(), bindings::SIGUSR2), 0);
            assert!(eventually(|| taken.load(Relaxed) >= round));
        }
        assert_eq!(taken.load(Relaxed), ROUNDS / 10);
        assert!(sleeps(thread.task()));
        Ok(())
    }

    #[test]
    fn who_would_not_take_a_signal_does_not_allow_it() -> Result {
        let group = group()?;
        let worker = Builder::new(fmt!("worker"))
            .allow(Signal::Kill)
            .spawn_worker(&group);

        assert_eq!(worker.err(), Some(EINVAL));
        assert!(group.is_empty());
        for number in [0, 11, 17, 32, 64, 65, u32::MAX] {
            assert_eq!(Signal::from_number(number), Err(EINVAL));
        }
        for signal in Signal::ALL {
            assert_eq!(Signal::from_number(signal.number()), Ok(signal));
        }
        Ok(())
    }
}
