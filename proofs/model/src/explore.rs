// SPDX-License-Identifier: GPL-2.0

//! Chooses the interleavings to run.

use crate::machine;
use shuttle_engine::{
    scheduler::{Schedule, Scheduler, Task, TaskId},
    Config, FailurePersistence, MaxSteps, Runner,
};
use shuttle_schedulers::{PctScheduler, RandomScheduler};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

thread_local! {
    static TRACES: Cell<bool> = const { Cell::new(false) };
    static AT: Cell<Option<usize>> = const { Cell::new(None) };
    static WHICH: RefCell<String> = const { RefCell::new(String::new()) };
}

pub fn traces() -> bool {
    TRACES.get()
}

/// Traces one of all interleavings, or all of a seed.
pub fn trace(interleaving: Option<usize>) {
    AT.set(interleaving);
    TRACES.set(interleaving.is_none());
}

/// Prints how to repeat a failure.
pub fn which() -> String {
    WHICH.with_borrow(String::clone)
}

fn say(which: String) {
    WHICH.set(which);
}

/// All interleavings with a limited number of preemptions: switches away from a runnable task.
struct Exhaustive {
    bound: usize,
    path: Vec<Choice>,
    depth: usize,
    preemptions: usize,
    runs: usize,
    deadline: Instant,
    is_done: Rc<Cell<bool>>,
}

struct Choice {
    taken: usize,
    options: Vec<usize>,
    /// The number of preemptions if an option other than the first is taken.
    cost: usize,
}

impl Scheduler for Exhaustive {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.runs > 0 {
            loop {
                let Some(last) = self.path.last_mut() else {
                    self.is_done.set(true);
                    return None;
                };

                last.taken += 1;
                if last.taken < last.options.len() {
                    break;
                }
                self.path.pop();
            }
            if Instant::now() > self.deadline {
                return None;
            }
        }
        self.runs += 1;
        self.depth = 0;
        self.preemptions = 0;
        machine::reset();
        if AT.get().is_some() {
            TRACES.set(AT.get() == Some(self.runs));
        }
        say(format!(
            "interleaving {} with {} preemptions",
            self.runs, self.bound
        ));
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        if machine::machine().is_over {
            return None;
        }
        if self.depth == self.path.len() {
            let current = current.map(usize::from);
            let all: Vec<usize> = runnable.iter().map(|task| task.id().into()).collect();
            let can_go_on = current.filter(|id| all.contains(id));
            let others = all.iter().copied().filter(|id| Some(*id) != current);
            let choice = match can_go_on {
                Some(id) if !yields => Choice {
                    taken: 0,
                    options: match self.preemptions < self.bound {
                        true => [id].into_iter().chain(others).collect(),
                        false => vec![id],
                    },
                    cost: 1,
                },
                Some(_) if all.len() > 1 => Choice {
                    taken: 0,
                    options: others.collect(),
                    cost: 0,
                },
                _ => Choice {
                    taken: 0,
                    options: all,
                    cost: 0,
                },
            };

            self.path.push(choice);
        }
        let choice = &self.path[self.depth];

        self.depth += 1;
        if choice.taken > 0 {
            self.preemptions += choice.cost;
        }
        let id = TaskId::from(choice.options[choice.taken]);

        assert!(
            runnable.iter().any(|task| task.id() == id),
            "the model is not deterministic"
        );
        Some(id)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// Wraps one of shuttle's schedulers, and ends an execution with it.
struct Seeded<S>(S);

impl<S: Scheduler> Scheduler for Seeded<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        machine::reset();
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        if machine::machine().is_over {
            return None;
        }
        self.0.next_task(runnable, current, yields)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

fn config() -> Config {
    let mut config = Config::new();

    config.stack_size = 1 << 18;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(50_000);
    config.silence_warnings = true;
    config
}

fn run(scheduler: impl Scheduler + 'static, test: fn()) -> usize {
    Runner::new(scheduler, config()).run(move || {
        crate::c::sched::become_task("main");
        test();
        crate::tests::finish();
    })
}

/// The number of interleavings of a seed. The first one measures the length of the test.
const PER_SEED: usize = 16;

/// Runs a test with a seed, and returns the number of interleavings.
///
/// Every second seed runs interleavings with few preemptions, at random places.
pub fn run_seed(test: fn(), seed: u64) -> usize {
    say(format!("--seed {seed}"));
    if seed % 2 == 0 {
        run(Seeded(RandomScheduler::new_from_seed(seed, PER_SEED)), test)
    } else {
        run(Seeded(PctScheduler::new_from_seed(seed, 3, PER_SEED)), test)
    }
}

/// Returns the number of interleavings, and whether these were all.
pub fn run_all(test: fn(), bound: usize, limit: Duration) -> (usize, bool) {
    let is_done = Rc::new(Cell::new(false));
    let scheduler = Exhaustive {
        bound,
        path: Vec::new(),
        depth: 0,
        preemptions: 0,
        runs: 0,
        deadline: Instant::now() + limit,
        is_done: is_done.clone(),
    };
    let runs = run(scheduler, test);

    (runs, is_done.get())
}
