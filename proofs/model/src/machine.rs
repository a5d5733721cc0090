// SPDX-License-Identifier: GPL-2.0

//! The machine that the model runs on: scheduling, memory, and the happens-before order.
//!
//! Everything runs on one thread of the host. shuttle switches between the tasks of the model, and
//! only where [`step`] is called, so code between two steps is atomic.

use shuttle_engine::runtime::{execution::ExecutionState, task::TaskId, thread};
use std::{
    alloc::Layout,
    cell::UnsafeCell,
    collections::{BTreeMap, HashMap},
};

/// A vector clock: the number of known events of each task.
#[derive(Clone, Default, Debug)]
pub struct Clock(Vec<u32>);

impl Clock {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn join(&mut self, other: &Clock) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own = (*own).max(*other);
        }
    }

    fn at(&self, task: usize) -> u32 {
        self.0.get(task).copied().unwrap_or(0)
    }

    fn tick(&mut self, task: usize) {
        if self.0.len() <= task {
            self.0.resize(task + 1, 0);
        }
        self.0[task] += 1;
    }
}

/// The knowledge of a task.
///
/// Fences add earlier relaxed reads to it, and pass it on with later relaxed writes.
#[derive(Default)]
struct Known {
    now: Clock,
    read: Clock,
    fenced: Clock,
}

#[derive(Default)]
pub struct Machine {
    execution: usize,
    known: Vec<Known>,
    /// The knowledge that an acquire load of a location gets.
    locations: HashMap<usize, Clock>,
    /// Freed address ranges. They are not reused before the end.
    freed: BTreeMap<usize, usize>,
    quarantine: Vec<(usize, Layout)>,
    /// The number of allocations.
    pub live: isize,
    /// The kernel's tasks, by the number of the model's.
    pub tasks: HashMap<usize, *mut crate::bindings::task_struct>,
    /// The number of kernel tasks that have not exited.
    pub running: usize,
    /// The number of kernel tasks that run their thread function.
    pub in_text: usize,
    waits_for_end: Option<usize>,
    pub is_over: bool,
    pub now_ns: i64,
    pub timers: Vec<crate::c::timer::State>,
    pub cpus_lock: crate::c::lock::Sleeping,
    pub smpboot_lock: crate::c::lock::Sleeping,
    pub hotplug_threads: Vec<*mut crate::c::smpboot::smp_hotplug_thread>,
    /// The number of module references.
    pub module_references: isize,
    /// How often an allocation succeeds before one fails, if one does.
    pub fails_after: Option<usize>,
    /// Whether `kthread_park()` finds that the thread has died just now.
    pub dies_in_park: bool,
    /// Whether this test freezes anything.
    pub has_freezer: bool,
    /// `pm_nosig_freezing`.
    pub freezing: bool,
    pub steps: usize,
}

struct Global(UnsafeCell<Option<Machine>>);

// SAFETY: Only one thread of the host uses it.
unsafe impl Sync for Global {}

static MACHINE: Global = Global(UnsafeCell::new(None));

/// Returns the machine, for use in a single expression.
pub fn machine() -> &'static mut Machine {
    // SAFETY: There is only one thread, and no reference is kept across a call of this.
    unsafe { (*MACHINE.0.get()).as_mut().unwrap() }
}

/// Begins an execution.
pub fn reset() {
    // SAFETY: As above.
    let old = unsafe { (*MACHINE.0.get()).replace(Machine::default()) };

    machine().execution = 1;
    if let Some(old) = old {
        machine().execution = old.execution + 1;
        for (address, layout) in old.quarantine {
            // SAFETY: The memory was allocated with this layout, and is not used any more.
            unsafe { std::alloc::dealloc(address as *mut u8, layout) };
        }
    }
}

pub fn current_id() -> usize {
    ExecutionState::with(|state| state.current().id().into())
}

pub fn trace(what: &str) {
    if crate::explore::traces() {
        eprintln!(
            "#   {:>4} {:<12} {what}",
            machine().steps,
            crate::c::sched::name_of_current()
        );
    }
}

/// A step: other tasks may run here.
pub fn step(what: &str) {
    thread::switch();
    machine().steps += 1;
    trace(what);
}

/// Other tasks run here if they are able to.
pub fn give_way() {
    shuttle_engine::thread_support::yield_now();
    machine().steps += 1;
}

/// Blocks until another task calls [`unblock`].
pub fn block() {
    ExecutionState::with(|state| state.current_mut().block(false));
    thread::switch();
}

pub fn unblock(id: usize) {
    ExecutionState::with(|state| state.get_mut(TaskId::from(id)).unblock());
}

/// Blocks forever, which does not count as a deadlock.
pub fn vanish() -> ! {
    ExecutionState::with(|state| {
        state.current_mut().detach();
        state.current_mut().block(false);
    });
    thread::switch();
    unreachable!("what has vanished runs");
}

/// Creates a task of the model, which inherits the knowledge of the caller.
pub fn spawn(f: impl FnOnce() + 'static) -> usize {
    let id = ExecutionState::spawn_thread(
        Box::new(f),
        1 << 18,
        None,
        None,
        std::panic::Location::caller(),
    );
    let id = usize::from(id);
    let own = now().clone();

    knowledge(id).now = own;
    id
}

/// Waits until all other tasks have exited.
pub fn wait_for_all() {
    while machine().running > 0 {
        machine().waits_for_end = Some(current_id());
        block();
    }
}

/// Waits until all other tasks are blocked.
pub fn wait_until_all_sleep() {
    let own = current_id();

    while machine().tasks.keys().any(|id| {
        *id != own && ExecutionState::with(|state| state.get(TaskId::from(*id)).runnable())
    }) {
        give_way();
    }
}

/// Whether a thread runs code that may be in a module.
pub fn runs_text() -> bool {
    machine().in_text > 0
}

/// Ends the execution, and does not return.
pub fn end() {
    machine().is_over = true;
    thread::switch();
}

/// Records that a kernel task has exited.
pub fn exited() {
    machine().running -= 1;
    if machine().running == 0 {
        if let Some(id) = machine().waits_for_end {
            unblock(id);
        }
    }
}

fn knowledge(id: usize) -> &'static mut Known {
    let known = &mut machine().known;

    while known.len() <= id {
        known.push(Known::default());
    }
    &mut known[id]
}

fn now() -> &'static mut Clock {
    &mut knowledge(current_id()).now
}

/// Passes the knowledge of the waker to the woken task.
pub fn tell(id: usize) {
    let own = now().clone();

    knowledge(id).now.join(&own);
}

/// Returns the knowledge of the caller, to be handed over with a lock.
pub fn release(to: &mut Clock) {
    to.join(now());
    now().tick(current_id());
}

pub fn acquire(from: &Clock) {
    now().join(from);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    Full,
}

pub fn read_barrier() {
    let known = knowledge(current_id());
    let read = known.read.clone();

    known.now.join(&read);
}

pub fn write_barrier() {
    let id = current_id();
    let known = knowledge(id);

    known.fenced = known.now.clone();
    known.now.tick(id);
}

pub fn full_barrier() {
    read_barrier();
    write_barrier();
}

fn saw(address: usize, order: Order) {
    if let Some(clock) = machine().locations.get(&address) {
        let clock = clock.clone();
        let known = knowledge(current_id());

        match order {
            Order::Relaxed | Order::Release => known.read.join(&clock),
            Order::Acquire | Order::Full => known.now.join(&clock),
        }
    }
}

fn wrote(address: usize, order: Order, with_earlier: bool) {
    let id = current_id();
    let known = knowledge(id);
    let clock = match order {
        Order::Relaxed | Order::Acquire => known.fenced.clone(),
        Order::Release | Order::Full => known.now.clone(),
    };

    known.now.tick(id);
    let location = machine().locations.entry(address).or_default();
    if with_earlier {
        location.join(&clock);
    } else {
        *location = clock;
    }
}

pub fn loaded(address: usize, order: Order) {
    saw(address, order);
}

pub fn stored(address: usize, order: Order) {
    wrote(address, order, false);
}

/// The order of a read-modify-write operation.
pub fn exchanged(address: usize, order: Order) {
    if order == Order::Full {
        full_barrier();
    }
    saw(address, order);
    wrote(address, order, true);
    if order == Order::Full {
        full_barrier();
    }
}

/// Fails if the memory has been freed.
pub fn check<T: ?Sized>(pointer: *const T, what: &str) {
    let address = pointer.cast::<u8>().addr();
    let last = machine().freed.range(..=address).next_back();

    if let Some((_, end)) = last {
        assert!(address >= *end, "use after free: {what}");
    }
}

pub fn allocated() {
    machine().live += 1;
}

pub fn freed() {
    machine().live -= 1;
}

/// Calls `f`, in which no allocation fails.
pub fn with_memory<T>(f: impl FnOnce() -> T) -> T {
    let left = machine().fails_after.take();
    let ret = f();

    machine().fails_after = left;
    ret
}

/// Whether an allocation succeeds. One fails if the test wants that.
pub fn has_memory() -> bool {
    let left = machine().fails_after;

    machine().fails_after = left.and_then(|left| left.checked_sub(1));
    left != Some(0)
}

/// Poisons freed memory, and keeps it until the end of the execution.
///
/// # Safety
///
/// The memory must not be used any more, and must have been allocated with this layout.
pub unsafe fn free(pointer: *mut u8, layout: Layout) {
    check(pointer, "it is freed twice");
    freed();
    if layout.size() == 0 {
        return;
    }
    // SAFETY: The caller guarantees that the memory is unused and has this layout.
    unsafe { pointer.write_bytes(0x6b, layout.size()) };
    let (begin, end) = (pointer.addr(), pointer.addr() + layout.size());
    machine().freed.insert(begin, end);
    machine().quarantine.push((begin, layout));
}

/// A non-atomic location, which must not be accessed concurrently.
pub struct Accesses {
    /// A static variable outlives an execution.
    execution: usize,
    written: (usize, u32),
    reads: Clock,
}

impl Accesses {
    pub const fn new() -> Self {
        Self {
            execution: 0,
            written: (0, 0),
            reads: Clock::new(),
        }
    }

    fn refresh(&mut self) {
        if self.execution != machine().execution {
            *self = Self::new();
            self.execution = machine().execution;
        }
    }

    fn write_is_known(&self) -> bool {
        now().at(self.written.0) >= self.written.1
    }

    pub fn read(&mut self, what: &str) {
        let id = current_id();

        self.refresh();
        assert!(
            self.write_is_known(),
            "data race: {what} is read, and written at once"
        );
        now().tick(id);
        let at = now().at(id);
        if self.reads.0.len() <= id {
            self.reads.0.resize(id + 1, 0);
        }
        self.reads.0[id] = at;
    }

    pub fn write(&mut self, what: &str) {
        let id = current_id();

        self.refresh();
        assert!(
            self.write_is_known(),
            "data race: {what} is written twice at once"
        );
        for (task, at) in self.reads.0.iter().enumerate() {
            assert!(
                now().at(task) >= *at,
                "data race: {what} is written, and read at once"
            );
        }
        now().tick(id);
        self.written = (id, now().at(id));
    }
}
