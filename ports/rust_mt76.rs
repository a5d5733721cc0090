// SPDX-License-Identifier: GPL-2.0

//! The worker of a wireless driver, which interrupt handlers schedule.
//!
//! Port of `struct mt76_worker` in
//! [`drivers/net/wireless/mediatek/mt76/util.h`](srctree/drivers/net/wireless/mediatek/mt76/util.h)
//! and `util.c`.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    fmt,
    impl_has_hr_timer,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        hrtimer::{
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerRestart,
            RelativeMode,
            ScopedHrTimerPointer, //
        },
        Delta,
        Monotonic, //
    }, //
};
use kthread::{
    Builder,
    Policy,
    Thread,
    ThreadGroup,
    Wake,
    Waker, //
};

threaded_module! {
    type: Driver,
    threads: THREADS,
    name: "rust_mt76",
    authors: ["The rust_kthread_demo authors"],
    description: "The worker of mt76, and a timer that schedules it",
    license: "GPL",
}

/// A thread that runs a function whenever it is scheduled, unless it is disabled.
///
/// Dropping it ends the thread.
struct Worker(Thread<()>);

impl Worker {
    /// Starts the thread, which has nothing to do yet.
    ///
    /// Sleeps.
    fn new(
        threads: &ThreadGroup,
        name: fmt::Arguments<'_>,
        mut f: impl FnMut() + Send + 'static,
    ) -> Result<Self> {
        let thread = Builder::new(fmt!("mt76-{name}"))
            .policy(Policy::FifoLow)
            .spawn(threads, move |ctx| {
                while ctx.wait() == Wake::Ready {
                    f();
                    ctx.yield_point();
                }
            })?;

        Ok(Self(thread))
    }

    /// Returns a handle that schedules the worker from any context: the function then runs once more.
    fn scheduler(&self) -> Waker {
        self.0.waker()
    }

    /// Waits until the function has returned, and prevents further runs.
    ///
    /// Sleeps.
    fn disable(&mut self) -> Result {
        self.0.park()
    }

    /// Enables the worker, and runs the function once.
    fn enable(&mut self) -> Result {
        self.0.unpark()?;
        self.0.wake();
        Ok(())
    }
}

const ROUNDS: usize = 100;
const PERIOD: Delta = Delta::from_micros(100);

/// The function of the worker.
struct Counts {
    scheduled: Atomic<i32>,
    seen: Atomic<i32>,
    runs: Atomic<i32>,
}

impl Counts {
    fn run(&self) {
        self.runs.fetch_add(1, Relaxed);
        self.seen.store(self.scheduled.load(Relaxed), Relaxed);
    }

    fn schedule(&self, worker: &Waker) {
        self.scheduled.fetch_add(1, Relaxed);
        worker.wake();
    }

    /// Returns whether the worker has seen everything scheduled so far in time.
    fn is_seen(&self) -> bool {
        let target = self.scheduled.load(Relaxed);

        for _ in 0..10_000 {
            if self.seen.load(Relaxed) >= target {
                return true;
            }
            fsleep(Delta::from_micros(100));
        }
        false
    }
}

/// A periodic timer that schedules the worker.
#[pin_data]
struct Load {
    #[pin]
    timer: HrTimer<Load>,
    counts: Arc<Counts>,
    worker: Waker,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Load {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl HrTimerCallback for Load {
    type Pointer<'a> = Pin<&'a Self>;

    fn run(this: Pin<&Self>, mut ctx: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.counts.schedule(&this.worker);
        ctx.forward_now(PERIOD);
        HrTimerRestart::Restart
    }
}

struct Driver {
    _worker: Worker,
    _threads: ThreadGroup,
}

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let threads = ThreadGroup::for_module(&THREADS)?;
        let counts = Arc::new(
            Counts {
                scheduled: Atomic::new(0),
                seen: Atomic::new(0),
                runs: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let run = counts.clone();
        let mut worker = Worker::new(&threads, fmt!("tx rust0"), move || run.run())?;
        let scheduler = worker.scheduler();
        let (mut meanwhile, mut lost) = (0, 0);

        for _ in 0..ROUNDS {
            counts.schedule(&scheduler);
            lost += usize::from(!counts.is_seen());
        }
        pr_info!(
            "{ROUNDS} schedules, {} runs, {lost} lost\n",
            counts.runs.load(Relaxed)
        );

        let (timed, timed_scheduler) = (counts.clone(), scheduler.clone());
        let load = KBox::pin_init(
            pin_init!(Load {
                timer <- HrTimer::new(),
                counts: timed,
                worker: timed_scheduler,
            }),
            GFP_KERNEL,
        )?;
        load.as_ref().start_scoped(PERIOD, || -> Result {
            for _ in 0..ROUNDS {
                worker.disable()?;
                let before = counts.runs.load(Relaxed);
                fsleep(Delta::from_millis(1));
                meanwhile += counts.runs.load(Relaxed) - before;
                worker.enable()?;
                lost += usize::from(!counts.is_seen());
            }
            Ok(())
        })?;
        lost += usize::from(!counts.is_seen());
        pr_info!("disabled {ROUNDS} times, {meanwhile} runs while disabled, {lost} lost\n");

        for _ in 0..ROUNDS {
            worker.disable()?;
            counts.schedule(&scheduler);
            worker.enable()?;
            lost += usize::from(!counts.is_seen());
        }
        pr_info!("scheduled {ROUNDS} times while disabled, {lost} lost\n");
        Ok(Self {
            _worker: worker,
            _threads: threads,
        })
    }
}
