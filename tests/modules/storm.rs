// SPDX-License-Identifier: GPL-2.0

//! Random concurrent operations on handles, while their group is dropped.
//!
//! A round has a group, shared slots of handles, and actors outside of the group. The actors apply
//! random operations to the handles in the slots. So do the bodies of threads, the work items, the
//! threads of scopes, and detached threads. In the middle of a round the group is dropped, and the
//! actors continue with the remaining handles. At the end everything must have been dropped.
//!
//! Threads that wait for each other in a circle deadlock, so there are levels: a thread waits only
//! for threads of lower levels, and owns only handles of these. The actors are above all levels.
//! Each level is spawned at its own place in the source, which gives it a lockdep class. Threads
//! may do anything with the handles that they own.
//!
//! A thread of the highest level, which no member waits for, may stop all others. It holds the
//! group while it does, so a member that waits for the group stops waiting once it is asked to
//! stop. Per-CPU threads, which CPU hotplug waits for, wait for no thread and never for long,
//! except on the first CPU, which stays online.
//!
//! Half of the bodies wait in code that knows nothing of threads: completions, condition variables,
//! and sleeps of C. Only a request to stop or an interrupt ends these.
//!
//! A thread of this module runs the storm instead of `init`: tasks do not freeze while the process
//! that loads the module is in the kernel, and detached threads are refused while the module is
//! being loaded. So the results are in the log.

#[path = "../../kthread/mod.rs"]
mod kthread;

use core::borrow::Borrow;
use kernel::{
    bindings,
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    task::Pid,
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use kthread::{
    scope,
    Builder,
    Completion,
    Context,
    JoinError,
    NewThread,
    PerCpuThread,
    PerCpuThreads,
    Placement,
    Policy,
    Scope,
    ScopedThread,
    Thread,
    ThreadGroup,
    Waker,
    Work,
    WorkItem,
    Worker, //
};

module! {
    type: Module,
    name: "kthread_storm",
    authors: ["The rust_kthread_demo authors"],
    description: "Everything at once with kernel threads",
    license: "GPL",
    params: {
        seed: u64 {
            default: 1,
            description: "What all that is done follows from, but for the timing",
        },
        milliseconds: u64 {
            default: 5000,
            description: "For how long",
        },
        rounds: u64 {
            default: 0,
            description: "Most rounds, or 0",
        },
        actors: u64 {
            default: 10,
            description: "How many threads outside of the group",
        },
    },
}

/// The number of levels of threads and workers, which is also the level of the actors.
const LEVELS: usize = 4;
/// The number of slots of each level.
const SLOTS: usize = 3;
/// The maximum number of handles that a body, a work item or a value owns.
const LUGGAGE: usize = 2;
/// The number of slots to search.
const TRIES: usize = 4;
/// The maximum number of leaked handles, as each leaks the memory of its thread.
const FORGOTTEN: u64 = 32;
/// The number of CPUs to choose from, which may not all exist.
const CPUS: usize = 3;
/// A delay in milliseconds that never ends within a round.
const HOUR: u32 = 3_600_000;

/// Defines an enum of counters with their names in the log.
macro_rules! counted {
    ($(#[$meta:meta])* $name:ident { $($variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        enum $name {
            $($variant,)*
        }

        impl $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($variant),)*];
        }
    };
}

counted! {
    /// Objects with a [`Guard`].
    Made {
        Round,
        Body,
        Value,
        Work,
        Scoped,
        Borrower,
        Detached,
        PerCpu,
    }
}

counted! {
    /// Operations.
    Op {
        Create,
        Spawn,
        Start,
        Wake,
        WakeLater,
        Park,
        Unpark,
        ParkGuard,
        Forget,
        Detach,
        Stop,
        Join,
        Drop,
        RequestStop,
        Interrupt,
        Look,
        OwnDrop,
        OwnDetach,
        OwnStop,
        OwnJoin,
        OwnPark,
        OwnWorkerDrop,
        SpawnWorker,
        ForgetWorker,
        Queue,
        QueueDelayed,
        ModDelayed,
        QueueItself,
        Flush,
        Cancel,
        Scope,
        ForgetScoped,
        SpawnDetached,
        LetThrough,
        Wait,
        WaitForeign,
        WaitForeignEndless,
        Interrupted,
        Pack,
        Register,
        RegisterBusy,
        RunPerCpu,
        WaitPerCpu,
        WakePerCpu,
        HotplugRefused,
        OwnPerCpuDrop,
        StopAll,
        StopAllDrop,
        Count,
        NeverRan,
        NoGroup,
        NoGroupWhenAsked,
    }
}

static MADE: [Atomic<u64>; Made::NAMES.len()] = [const { Atomic::new(0) }; Made::NAMES.len()];
static DROPPED: [Atomic<u64>; Made::NAMES.len()] = [const { Atomic::new(0) }; Made::NAMES.len()];
static DONE: [Atomic<u64>; Op::NAMES.len()] = [const { Atomic::new(0) }; Op::NAMES.len()];
static FAULTS: Atomic<u64> = Atomic::new(0);
/// The number of members that wait now: in a [`Context`], and in code that knows nothing of threads.
static WAITING: [Atomic<u64>; 2] = [const { Atomic::new(0) }; 2];
/// The number of members that waited when their group was dropped.
static CAUGHT: [Atomic<u64>; 2] = [const { Atomic::new(0) }; 2];

/// Counts the creation and the drop of an object.
struct Guard(Made);

impl Guard {
    fn new(made: Made) -> Self {
        MADE[made as usize].fetch_add(1, Relaxed);
        Self(made)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED[self.0 as usize].fetch_add(1, Relaxed);
    }
}

fn did(op: Op) {
    DONE[op as usize].fetch_add(1, Relaxed);
}

/// Reports a failure.
macro_rules! fault {
    ($($arg:tt)*) => {{
        FAULTS.fetch_add(1, Relaxed);
        pr_err!("fault: {}\n", fmt!($($arg)*));
    }};
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // splitmix64, so that consecutive seeds give unrelated sequences.
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ state >> 31) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 32) as usize) % limit
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The value that a body returns.
struct Value {
    _guard: Guard,
    luggage: KVec<Handle>,
}

struct Handle {
    level: usize,
    /// Whether it runs until it is stopped.
    is_patient: bool,
    kind: Kind,
}

enum Kind {
    New(NewThread<Value>),
    Thread(Thread<Value>),
    Worker {
        // Dropped in this order.
        worker: Worker,
        job: Arc<Work<Job>>,
    },
    PerCpu(PerCpuThreads<PerCpu>),
}

impl Handle {
    fn pid(&self) -> Option<Pid> {
        match &self.kind {
            Kind::New(thread) => Some(thread.observer().identity().pid),
            Kind::Thread(thread) => Some(thread.task().pid()),
            Kind::Worker { worker, .. } => Some(worker.observer().identity().pid),
            Kind::PerCpu(_) => None,
        }
    }
}

type Slot = Mutex<Option<Handle>>;

/// The shared state of a round.
#[pin_data]
struct Storm {
    #[pin]
    group: Mutex<Option<ThreadGroup>>,
    /// By level.
    slots: KVec<Pin<KBox<Slot>>>,
    #[pin]
    gate: Completion,
    /// A completion that is never completed: only a request to stop ends the wait.
    #[pin]
    never: Completion,
    #[pin]
    bell: CondVar,
    #[pin]
    bell_lock: Mutex<()>,
    over: Atomic<bool>,
    module: &'static ThisModule,
    _guard: Guard,
}

impl Storm {
    fn new(module: &'static ThisModule) -> Result<Arc<Self>> {
        // SAFETY: The group is taken out and dropped by `round`, in a thread of another group,
        // which the module waits for when it is dropped. Nobody else takes it.
        let group = unsafe { ThreadGroup::new()? };
        let mut slots = KVec::new();

        for _ in 0..LEVELS * SLOTS {
            slots.push(
                KBox::pin_init(new_mutex!(None::<Handle>), GFP_KERNEL)?,
                GFP_KERNEL,
            )?;
        }
        Arc::pin_init(
            pin_init!(Self {
                group <- new_mutex!(Some(group)),
                slots,
                gate <- Completion::new(),
                never <- Completion::new(),
                bell <- new_condvar!(),
                bell_lock <- new_mutex!(()),
                over: Atomic::new(false),
                module,
                _guard: Guard::new(Made::Round),
            }),
            GFP_KERNEL,
        )
    }

    /// Puts `new` into a slot, and returns what was there, to be dropped without the lock.
    fn swap(&self, index: usize, new: Option<Handle>) -> Option<Handle> {
        core::mem::replace(&mut *self.slots[index].lock(), new)
    }
}

/// The initial handles of a body or a work item.
///
/// Its creator has access as well, so that a closure that is dropped under a lock drops no handles.
#[pin_data]
struct Pack {
    #[pin]
    luggage: Mutex<KVec<Handle>>,
}

impl Pack {
    fn take(&self) -> KVec<Handle> {
        core::mem::take(&mut *self.luggage.lock())
    }
}

/// A work item of the storm.
struct Job {
    storm: Arc<Storm>,
    pack: Arc<Pack>,
    level: usize,
    is_freezable: bool,
    /// Whether it has an endless delay, on a worker without a handle.
    is_forgotten: bool,
    seed: Atomic<u64>,
    _guard: Guard,
}

impl WorkItem for Job {
    fn run(this: &Arc<Work<Self>>, ctx: &Context<'_>) {
        let mut me = Me::new(&this.storm, ctx, this.level, this.seed.load(Relaxed));

        me.luggage = this.pack.take();
        me.may_wait_endlessly = !this.is_freezable;
        me.is_freezable = this.is_freezable;
        if this.is_forgotten {
            fault!("a work item has run before its delay has ended");
        }
        this.seed.store(me.random.next(), Relaxed);
        me.live(false);
        if me.random.one_in(2) {
            me.queue_itself(this);
        }
    }
}

/// The phase of the thread of a CPU.
#[derive(Clone, Copy, PartialEq)]
#[repr(u32)]
enum Phase {
    /// There is no thread, or it is not set up.
    Gone,
    Idle,
    Runs,
    Parked,
}

/// The state of the thread of a CPU.
struct OnCpu {
    phase: Atomic<u32>,
    runs: Atomic<u64>,
    /// Whether it waits for the request to stop.
    waits: Atomic<bool>,
}

/// A set of per-CPU threads.
struct PerCpu {
    storm: Arc<Storm>,
    cpus: KVec<OnCpu>,
    seed: Atomic<u64>,
    _guard: Guard,
}

impl_has_slot!(PerCpu);

impl PerCpu {
    fn new(storm: &Arc<Storm>, seed: u64) -> Result<Self> {
        let mut cpus = KVec::new();

        for _ in 0..nr_cpu_ids() {
            cpus.push(
                OnCpu {
                    phase: Atomic::new(Phase::Gone as u32),
                    runs: Atomic::new(0),
                    waits: Atomic::new(false),
                },
                GFP_KERNEL,
            )?;
        }
        Ok(Self {
            storm: storm.clone(),
            cpus,
            seed: Atomic::new(seed),
            _guard: Guard::new(Made::PerCpu),
        })
    }

    /// Records a change of phase of the thread of `cpu`, which calls this.
    fn turn(&self, cpu: CpuId, from: &[Phase], to: Phase) {
        let Some(on_cpu) = self.cpus.get(cpu.as_u32() as usize) else {
            return fault!("there is a thread for CPU {}", cpu.as_u32());
        };
        let old = on_cpu.phase.xchg(to as u32, Relaxed);

        if !from.iter().any(|phase| *phase as u32 == old) {
            fault!("a per-CPU thread goes from {old} to {}", to as u32);
        }
    }

    fn here(&self, cpu: CpuId, from: &[Phase], to: Phase) {
        if CpuId::current() != cpu {
            fault!("the thread of CPU {} runs elsewhere", cpu.as_u32());
        }
        self.turn(cpu, from, to);
    }

    /// Returns whether a thread handles wake-ups of `cpu`.
    fn heeds(&self, cpu: CpuId) -> bool {
        self.cpus.get(cpu.as_u32() as usize).is_some_and(|on_cpu| {
            on_cpu.phase.load(Relaxed) != Phase::Gone as u32 && !on_cpu.waits.load(Relaxed)
        })
    }

    fn runs(&self, cpu: CpuId) -> u64 {
        self.cpus
            .get(cpu.as_u32() as usize)
            .map_or(0, |on_cpu| on_cpu.runs.load(Relaxed))
    }

    /// Waits for the request to stop, on a CPU where hotplug does not wait for the thread.
    fn wait_endlessly(&self, on_cpu: &OnCpu) {
        did(Op::WaitPerCpu);
        on_cpu.waits.store(true, Relaxed);
        if self.storm.never.wait_interruptible().is_ok() {
            fault!("what never comes has come");
        }
        on_cpu.waits.store(false, Relaxed);
    }

    /// Tries operations that wait for CPU hotplug.
    fn try_hotplug(&self, random: &mut Random) {
        let Some(first) = CpuId::from_u32(0) else {
            return;
        };
        let refused = Error::from_errno(-(bindings::EDEADLK as i32));
        let detached = Builder::new(fmt!("storm-within"))
            .placement(Placement::Cpu(first))
            .spawn_detached(self.storm.module, |_| ())
            .err();

        did(Op::HotplugRefused);
        // The other error means that the module is being unloaded.
        if detached != Some(refused) && detached != Some(ENOENT) {
            fault!("a per-CPU thread has made a bound one: {detached:?}");
        }
        let Ok(more) = Self::new(&self.storm, random.next()) else {
            return;
        };
        // A wait for the group would wait for its holders, which may wait for CPU hotplug.
        let Some(group) = self.storm.group.try_lock() else {
            return;
        };
        let Some(group) = group.as_ref() else { return };
        let made = PerCpuThreads::register(group, fmt!("storm-within"), more).err();

        if made != Some(refused) {
            fault!("a per-CPU thread has made others: {made:?}");
        }
    }

    /// Drops the handle of these threads, if it is stored where they find it.
    fn drop_own(&self) {
        for slot in &self.storm.slots {
            let own = slot
                .lock()
                .take_if(|handle| matches!(handle.kind, Kind::PerCpu(_)));

            if own.is_some() {
                did(Op::OwnPerCpuDrop);
                return;
            }
        }
    }
}

impl PerCpuThread for PerCpu {
    fn setup(&self, cpu: CpuId) {
        self.here(cpu, &[Phase::Gone], Phase::Idle);
    }

    fn run(&self, cpu: CpuId) {
        self.here(cpu, &[Phase::Idle], Phase::Runs);
        let Some(on_cpu) = self.cpus.get(cpu.as_u32() as usize) else {
            return;
        };
        let mut random = Random::new(self.seed.fetch_add(1, Relaxed));

        did(Op::RunPerCpu);
        on_cpu.runs.fetch_add(1, Relaxed);
        match random.below(16) {
            0..=2 => {
                // SAFETY: This may sleep.
                unsafe { bindings::msleep_interruptible(1 + random.below(4) as u32) };
            }
            3 | 4 => {
                let _ = self.storm.gate.wait_interruptible_timeout(1);
            }
            5 | 6 if cpu.as_u32() == 0 => self.wait_endlessly(on_cpu),
            7..=9 => self.try_hotplug(&mut random),
            10..=12 => self.drop_own(),
            13 | 14 => {
                let index = random.below(LEVELS * SLOTS);

                if let Some(Kind::Thread(thread)) = self.storm.slots[index]
                    .lock()
                    .as_ref()
                    .map(|handle| &handle.kind)
                {
                    thread.wake();
                    if random.one_in(4) {
                        thread.request_stop();
                    }
                }
            }
            _ => {}
        }
        self.here(cpu, &[Phase::Runs], Phase::Idle);
    }

    fn park(&self, cpu: CpuId) {
        self.here(cpu, &[Phase::Idle], Phase::Parked);
    }

    fn unpark(&self, cpu: CpuId) {
        self.here(cpu, &[Phase::Parked], Phase::Idle);
    }

    fn cleanup(&self, cpu: CpuId, _online: bool) {
        self.turn(cpu, &[Phase::Idle, Phase::Parked], Phase::Gone);
    }
}

impl Drop for PerCpu {
    fn drop(&mut self) {
        for on_cpu in &self.cpus {
            if on_cpu.phase.load(Relaxed) != Phase::Gone as u32 {
                fault!("what per-CPU threads share is dropped while there is one");
            }
        }
    }
}

fn wake_all(threads: &PerCpuThreads<PerCpu>) {
    for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
        threads.wake(cpu);
    }
}

/// The random attributes of a thread or worker.
struct Choice {
    is_freezable: bool,
    cpu: Option<CpuId>,
    policy: Option<Policy>,
}

impl Choice {
    fn apply<'a>(&self, mut builder: Builder<'a>) -> Builder<'a> {
        builder = builder.freezable(self.is_freezable);
        if let Some(cpu) = self.cpu {
            builder = builder.placement(Placement::Cpu(cpu));
        }
        match self.policy {
            Some(policy) => builder.policy(policy),
            None => builder,
        }
    }
}

/// Creates a thread, at one place in the source for each level, for lockdep.
fn create_at<F>(
    level: usize,
    builder: Builder<'_>,
    group: &ThreadGroup,
    body: F,
) -> Result<NewThread<Value>>
where
    F: FnOnce(&Context<'_>) -> Value + Send + 'static,
{
    match level {
        0 => builder.create(group, body),
        1 => builder.create(group, body),
        2 => builder.create(group, body),
        _ => builder.create(group, body),
    }
}

/// Like [`create_at`].
fn spawn_worker_at(level: usize, builder: Builder<'_>, group: &ThreadGroup) -> Result<Worker> {
    match level {
        0 => builder.spawn_worker(group),
        1 => builder.spawn_worker(group),
        2 => builder.spawn_worker(group),
        _ => builder.spawn_worker(group),
    }
}

/// Like [`create_at`].
fn spawn_scoped_at<'scope, F, T>(
    level: usize,
    builder: Builder<'_>,
    scope: &'scope Scope<'scope, '_>,
    body: F,
) -> Result<ScopedThread<'scope, T>>
where
    F: FnOnce(&Context<'_>) -> T + Send + 'scope,
    T: Send + 'scope,
{
    match level {
        0 => builder.spawn_scoped(scope, body),
        1 => builder.spawn_scoped(scope, body),
        2 => builder.spawn_scoped(scope, body),
        3 => builder.spawn_scoped(scope, body),
        _ => builder.spawn_scoped(scope, body),
    }
}

/// A party that applies random operations.
struct Me<'a> {
    storm: &'a Arc<Storm>,
    ctx: &'a Context<'a>,
    level: usize,
    /// The depth of nested scopes.
    depth: usize,
    /// Whether this thread will be asked to stop.
    may_wait_endlessly: bool,
    /// Whether it may be frozen. Then it must not wait for freezable tasks, nor for long.
    is_freezable: bool,
    /// Whether it waits in code that knows nothing of threads.
    is_foreign: bool,
    /// Whether it may stop all members. To lockdep two such kinds would wait for each other.
    may_stop_all: bool,
    random: Random,
    luggage: KVec<Handle>,
    waker: Option<Waker>,
}

impl<'a> Me<'a> {
    fn new(storm: &'a Arc<Storm>, ctx: &'a Context<'a>, level: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);

        Self {
            storm,
            ctx,
            level,
            depth: 0,
            may_wait_endlessly: false,
            is_freezable: false,
            is_foreign: random.one_in(2),
            may_stop_all: false,
            random,
            luggage: KVec::new(),
            waker: None,
        }
    }

    /// Runs a body.
    fn live(&mut self, is_patient: bool) {
        let mut left = 1 + self.random.below(12);

        while is_patient || left > 0 {
            // Some ignore the request for a while.
            if self.ctx.should_stop() && (is_patient || self.random.one_in(2)) {
                return;
            }
            left = left.saturating_sub(1);
            match self.random.below(16) {
                0 => self.own(),
                1 => self.stop_all(),
                2..=8 => self.step(),
                _ => self.wait(),
            }
        }
    }

    /// Applies a random operation.
    fn step(&mut self) {
        match self.random.below(72) {
            0 | 1 => self.wait(),
            2..=4 => self.create(false),
            5..=9 => self.create(true),
            10..=13 => self.start(),
            14..=18 => self.wake(),
            19..=23 => self.park(),
            24..=29 => self.unpark(),
            30..=32 => self.park_guard(),
            33 => self.detach(),
            34 => self.stop(),
            35 => self.join(),
            36 => self.drop_one(),
            37 | 38 => self.request_stop(),
            39 => self.interrupt(),
            40 | 41 => self.look(),
            42 | 43 => self.spawn_worker(),
            44..=49 => self.queue(),
            50..=52 => self.flush_or_cancel(),
            53 => self.nest(),
            54..=57 => self.own(),
            58..=60 => self.let_through(),
            61 | 62 => self.pack_or_unpack(),
            63..=65 => self.register(),
            66..=68 => self.wake_percpu(),
            69 | 70 => self.stop_all(),
            _ => match self.level == LEVELS && self.random.one_in(2) {
                true => self.spawn_detached(),
                false => self.forget(),
            },
        }
    }

    /// Returns a slot of a level below `level`.
    fn slot_below(&mut self, level: usize) -> Option<usize> {
        (level > 0).then(|| self.random.below(level * SLOTS))
    }

    /// Returns a level for a new party, preferring free slots.
    fn level_below(&mut self) -> Option<usize> {
        let index = self.slot_below(self.level)?;
        let is_taken = self.storm.slots[index].lock().is_some();

        (!is_taken || self.random.one_in(16)).then_some(index / SLOTS)
    }

    /// Calls `f` with the content of some slots until it returns true. It must not wait for threads.
    fn with_any(&mut self, mut f: impl FnMut(&mut Handle) -> bool) {
        for _ in 0..TRIES {
            let index = self.random.below(LEVELS * SLOTS);
            let mut slot = self.storm.slots[index].lock();

            if (*slot).as_mut().is_some_and(&mut f) {
                return;
            }
        }
    }

    /// Takes a handle that the caller may wait for and that `f` accepts.
    fn take_if(&mut self, f: impl Fn(&Handle) -> bool) -> Option<Handle> {
        for _ in 0..TRIES {
            let index = self.slot_below(self.level)?;
            let mut slot = self.storm.slots[index].lock();
            let taken = (*slot).take_if(|handle| f(handle));

            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    fn take(&mut self) -> Option<Handle> {
        self.take_if(|_| true)
    }

    fn take_thread(&mut self) -> Option<(Thread<Value>, bool, usize)> {
        let handle = self.take_if(|handle| matches!(handle.kind, Kind::Thread(_)))?;

        match handle.kind {
            Kind::Thread(thread) => Some((thread, handle.is_patient, handle.level)),
            _ => None,
        }
    }

    /// Puts a handle that the caller may wait for into a slot, and drops the previous one.
    fn put(&mut self, handle: Handle) {
        let index = handle.level * SLOTS + self.random.below(SLOTS);

        drop(self.storm.swap(index, Some(handle)));
    }

    fn put_thread(&mut self, thread: Thread<Value>, is_patient: bool, level: usize) {
        self.put(Handle {
            level,
            is_patient,
            kind: Kind::Thread(thread),
        });
    }

    fn keep(&mut self, handle: Handle) {
        if self.luggage.len() < LUGGAGE {
            // Without memory it is dropped.
            let _ = self.luggage.push(handle, GFP_KERNEL);
        } else {
            self.put(handle);
        }
    }

    /// Checks the result of a thread that the caller has not created.
    fn unpack(&mut self, result: Result<Value, JoinError>) {
        match result {
            Ok(mut value) => {
                while let Some(handle) = value.luggage.pop() {
                    self.keep(handle);
                }
            }
            // The group has stopped it first.
            Err(JoinError::NeverRan) => did(Op::NeverRan),
            Err(error) => fault!("a thread has {error:?}"),
        }
    }

    /// Waits for an event, or for a moment.
    fn wait(&mut self) {
        let is_member = self.level < LEVELS;
        let waiting = &WAITING[usize::from(self.is_foreign)];

        waiting.fetch_add(is_member.into(), Relaxed);
        match self.is_foreign {
            true => self.wait_foreign(),
            false => self.wait_in_context(),
        }
        waiting.fetch_sub(is_member.into(), Relaxed);
    }

    fn wait_in_context(&mut self) {
        let storm = self.storm;
        let micros = self.random.below(500) as i64;
        let endless = self.may_wait_endlessly || self.is_freezable;

        match self.random.below(6) {
            0 | 1 if endless => {
                did(Op::Wait);
                let _ = self.ctx.wait();
            }
            2 if endless => {
                let mut calls = 0;

                did(Op::Wait);
                let _ = self.ctx.wait_until(|| {
                    calls += 1;
                    drop(storm.bell_lock.lock());
                    calls > 1
                });
            }
            3 => {
                self.ctx.park_point();
                self.ctx.freeze_point();
            }
            4 => {
                did(Op::WaitForeign);
                let _ = storm.gate.wait_killable_timeout(1);
            }
            _ => {
                did(Op::Wait);
                let _ = self.ctx.wait_timeout(Delta::from_micros(micros));
            }
        }
    }

    /// Waits in code that only a request to stop or an interrupt ends.
    fn wait_foreign(&mut self) {
        let storm = self.storm;
        let jiffies = 1 + self.random.below(2);
        let choice = self.random.below(8);
        let is_endless = self.may_wait_endlessly && choice < 4;

        did(match is_endless {
            true => Op::WaitForeignEndless,
            false => Op::WaitForeign,
        });
        let interrupted = match (is_endless, choice % 4) {
            (true, 0) => storm.gate.wait_interruptible().is_err(),
            (true, 1) => storm.never.wait_interruptible().is_err(),
            (true, 2) => storm.bell.wait_interruptible(&mut storm.bell_lock.lock()),
            // SAFETY: This may sleep.
            (true, _) => unsafe { bindings::msleep_interruptible(HOUR) != 0 },
            (false, 0) => storm.gate.wait_interruptible_timeout(jiffies).is_err(),
            (false, 1) => {
                let mut lock = storm.bell_lock.lock();
                let result = storm.bell.wait_interruptible_timeout(&mut lock, jiffies);

                matches!(result, CondVarTimeoutResult::Signal { .. })
            }
            // SAFETY: This may sleep.
            (false, 2) => unsafe { bindings::msleep_interruptible(jiffies as u32) != 0 },
            (false, _) => {
                // SAFETY: This may sleep. Any wake-up ends the sleep, so the result does not say
                // whether it was interrupted.
                unsafe { bindings::schedule_timeout_interruptible(jiffies as isize) };
                false
            }
        };

        if interrupted {
            did(Op::Interrupted);
            if !self.ctx.take_interrupt() && !self.ctx.should_stop() {
                fault!("a wait has ended in a thread that nobody asked for anything");
            }
        }
    }

    /// Takes handles for a party of a level.
    fn pack(&mut self, level: usize) -> Result<Arc<Pack>> {
        let mut luggage = KVec::new();

        for _ in 0..self.random.below(LUGGAGE + 1) {
            let Some(index) = self.slot_below(level) else {
                break;
            };
            if let Some(handle) = self.storm.swap(index, None) {
                luggage.push(handle, GFP_KERNEL)?;
            }
        }
        Arc::pin_init(
            pin_init!(Pack { luggage <- new_mutex!(luggage) }),
            GFP_KERNEL,
        )
    }

    /// Chooses the attributes of a thread or worker of a level.
    fn choose(&mut self, level: usize) -> Choice {
        Choice {
            is_freezable: level == 0 && self.random.one_in(2),
            cpu: match self.random.one_in(8) {
                true => CpuId::from_u32(nr_cpu_ids() - 1),
                false => None,
            },
            policy: match self.random.below(16) {
                0 => Some(Policy::FifoLow),
                n @ 1..4 => Some(Policy::Normal { nice: n as i32 }),
                4 => Some(Policy::Rr { priority: 1 }),
                5 => Some(Policy::Batch { nice: 1 }),
                _ => None,
            },
        }
    }

    /// Calls `f` with the group, if it still exists.
    ///
    /// A member may hold the group and wait for all others, so these do not wait for the group once
    /// they are asked to stop.
    fn with_group<R>(&self, f: impl FnOnce(&mut ThreadGroup) -> R) -> Option<R> {
        let mut group = loop {
            if self.level == LEVELS {
                break self.storm.group.lock();
            }
            match self.storm.group.try_lock() {
                Some(group) => break group,
                None if self.ctx.should_stop() => {
                    did(Op::NoGroupWhenAsked);
                    return None;
                }
                None => {
                    let _ = self.ctx.wait_timeout(Delta::from_micros(100));
                }
            }
        };

        if group.is_none() {
            did(Op::NoGroup);
        }
        (*group).as_mut().map(f)
    }

    /// Checks the result of creating a thread.
    fn made<T>(&self, result: Option<Result<T>>) -> Option<T> {
        match result {
            Some(Ok(made)) => return Some(made),
            None => {}
            // Its CPU is offline.
            Some(Err(error)) if error == ENODEV => {}
            Some(Err(error)) => fault!("a thread could not be made: {error:?}"),
        }
        None
    }

    fn create(&mut self, start: bool) {
        let Some(level) = self.level_below() else {
            return;
        };
        let Ok(pack) = self.pack(level) else { return };
        let is_patient = self.random.one_in(3);
        let choice = self.choose(level);
        let is_freezable = choice.is_freezable;
        let seed = self.random.next();
        let (storm, luggage) = (self.storm.clone(), pack.clone());
        let guard = Guard::new(Made::Body);
        let body = move |ctx: &Context<'_>| {
            let mut me = Me::new(&storm, ctx, level, seed);
            let _guard = guard;

            me.luggage = luggage.take();
            // Members wait for lower levels only.
            me.may_stop_all = level + 1 == LEVELS;
            me.may_wait_endlessly = !is_freezable;
            me.is_freezable = is_freezable;
            me.live(is_patient);
            Value {
                _guard: Guard::new(Made::Value),
                luggage: core::mem::take(&mut me.luggage),
            }
        };
        let thread = self.with_group(|group| {
            create_at(
                level,
                choice.apply(Builder::new(fmt!("storm-{level}"))),
                group,
                body,
            )
        });

        if let Some(thread) = self.made(thread) {
            did(if start { Op::Spawn } else { Op::Create });
            self.put(Handle {
                level,
                is_patient,
                kind: match start {
                    true => Kind::Thread(thread.start()),
                    false => Kind::New(thread),
                },
            });
        }
        // Handles that the closure has not taken.
        drop(pack);
    }

    fn start(&mut self) {
        let Some(handle) = self.take_if(|handle| matches!(handle.kind, Kind::New(_))) else {
            return;
        };
        let kind = match handle.kind {
            Kind::New(thread) => {
                did(Op::Start);
                Kind::Thread(thread.start())
            }
            other => other,
        };
        self.put(Handle { kind, ..handle });
    }

    fn wake(&mut self) {
        let mut waker = None;
        let is_later = self.random.one_in(3);
        let cpu = CpuId::from_u32(self.random.below(CPUS) as u32);

        if let Some(waker) = self.waker.take() {
            did(Op::WakeLater);
            waker.wake();
        }
        self.with_any(|handle| {
            match &handle.kind {
                Kind::New(thread) => waker = Some(thread.waker()),
                Kind::Thread(thread) if is_later => waker = Some(thread.waker()),
                Kind::Thread(thread) => {
                    did(Op::Wake);
                    thread.wake();
                }
                Kind::PerCpu(threads) => match cpu {
                    Some(cpu) => threads.wake(cpu),
                    None => return false,
                },
                Kind::Worker { .. } => return false,
            }
            true
        });
        self.waker = waker;
    }

    fn park(&mut self) {
        let Some((mut thread, is_patient, level)) = self.take_thread() else {
            return;
        };

        match thread.park() {
            Ok(()) => did(Op::Park),
            Err(error) if error == EBUSY || error == ESRCH => {}
            Err(error) => fault!("park gives {error:?}"),
        }
        self.put_thread(thread, is_patient, level);
    }

    fn unpark(&mut self) {
        let mut result = Ok(());

        self.with_any(|handle| {
            let Kind::Thread(thread) = &mut handle.kind else {
                return false;
            };

            result = thread.unpark();
            if result.is_ok() {
                did(Op::Unpark);
            }
            result.is_ok()
        });
        if result.is_err_and(|error| error != EBUSY) {
            fault!("unpark gives {result:?}");
        }
    }

    fn park_guard(&mut self) {
        let Some((mut thread, is_patient, level)) = self.take_thread() else {
            return;
        };

        let ask = self.random.one_in(2);

        match thread.park_guard() {
            Ok(parked) => {
                did(Op::ParkGuard);
                parked.wake();
                if ask {
                    parked.request_stop();
                    if parked.is_parked() {
                        fault!("a thread that is asked to stop is parked");
                    }
                }
            }
            Err(error) if error == EBUSY || error == ESRCH => {}
            Err(error) => fault!("park_guard gives {error:?}"),
        }
        if ask {
            thread.request_stop();
            if thread.park() != Err(ESRCH) {
                fault!("a thread that is asked to stop can be parked");
            }
        }
        self.put_thread(thread, is_patient, level);
    }

    fn detach(&mut self) {
        if let Some((thread, ..)) = self.take_thread() {
            did(Op::Detach);
            thread.detach();
        }
    }

    fn stop(&mut self) {
        if let Some((thread, ..)) = self.take_thread() {
            did(Op::Stop);
            let result = thread.stop();
            self.unpack(result);
        }
    }

    fn join(&mut self) {
        if let Some((thread, is_patient, _)) = self.take_thread() {
            did(Op::Join);
            // Ask most endless threads to stop first. The others end with the group.
            if is_patient && !self.random.one_in(8) {
                thread.request_stop();
            }
            let result = thread.join();
            self.unpack(result);
        }
    }

    fn drop_one(&mut self) {
        if let Some(handle) = self.take() {
            did(Op::Drop);
            drop(handle);
        }
    }

    /// Asks any thread to stop, even the caller.
    fn request_stop(&mut self) {
        self.with_any(|handle| {
            let Kind::Thread(thread) = &handle.kind else {
                return false;
            };

            did(Op::RequestStop);
            thread.request_stop();
            // This holds the handle, so it is not being parked.
            if thread.is_parked() {
                fault!("a thread that is asked to stop is parked");
            }
            true
        });
    }

    /// Interrupts any thread, even the caller.
    fn interrupt(&mut self) {
        self.with_any(|handle| {
            let Kind::Thread(thread) = &handle.kind else {
                return false;
            };

            did(Op::Interrupt);
            thread.interrupt();
            true
        });
    }

    fn look(&mut self) {
        let mut observer = None;

        self.with_any(|handle| {
            observer = match &handle.kind {
                Kind::New(thread) => Some(thread.observer()),
                Kind::Thread(thread) => {
                    let _ = (thread.is_parked(), thread.is_finished());
                    Some(thread.observer())
                }
                Kind::Worker { worker, .. } => Some(worker.observer()),
                Kind::PerCpu(_) => return false,
            };
            true
        });
        if let Some(observer) = observer {
            did(Op::Look);
            if !observer.identity().kthread {
                fault!("a thread is no kernel thread");
            }
        }
    }

    /// Applies an operation to a handle of the caller.
    fn own(&mut self) {
        if self.level == LEVELS || self.depth > 0 {
            return;
        }
        let pid = self.ctx.identity().pid;
        let first = self.level * SLOTS;
        let own = (first..first + SLOTS).find_map(|index| {
            let mut slot = self.storm.slots[index].lock();

            (*slot).take_if(|handle| handle.pid() == Some(pid))
        });
        let Some(handle) = own else { return };

        let mut thread = match handle.kind {
            Kind::Thread(thread) => thread,
            Kind::Worker { .. } => {
                did(Op::OwnWorkerDrop);
                return;
            }
            _ => return fault!("a thread that is new runs"),
        };
        match self.random.below(5) {
            0 => {
                did(Op::OwnDrop);
                drop(thread);
            }
            1 => {
                did(Op::OwnDetach);
                thread.detach();
            }
            2 => {
                did(Op::OwnStop);
                if !matches!(thread.stop(), Err(JoinError::WouldDeadlock)) {
                    fault!("a thread has stopped itself");
                }
            }
            3 => {
                did(Op::OwnJoin);
                if !matches!(thread.join(), Err(JoinError::WouldDeadlock)) {
                    fault!("a thread has joined itself");
                }
            }
            _ => {
                did(Op::OwnPark);
                if thread.park().is_ok() {
                    fault!("a thread has parked itself");
                }
                thread.request_stop();
                thread.detach();
            }
        }
    }

    /// Completes the waits in code that knows nothing of threads.
    fn let_through(&mut self) {
        did(Op::LetThrough);
        match self.random.below(4) {
            0 => self.storm.bell.notify_all(),
            1 => self.storm.bell.notify_one(),
            _ => self.storm.gate.complete(),
        }
    }

    fn pack_or_unpack(&mut self) {
        did(Op::Pack);
        match self.random.one_in(2) {
            true => {
                if let Some(handle) = self.take() {
                    self.keep(handle);
                }
            }
            false => {
                if let Some(handle) = self.luggage.pop() {
                    self.put(handle);
                }
            }
        }
    }

    fn spawn_worker(&mut self) {
        let Some(level) = self.level_below() else {
            return;
        };
        let choice = self.choose(level);
        let Ok(pack) = self.pack(level) else { return };
        let is_forgotten =
            self.random.one_in(8) && DONE[Op::ForgetWorker as usize].load(Relaxed) < FORGOTTEN;
        let job = Job {
            storm: self.storm.clone(),
            pack,
            level,
            is_freezable: choice.is_freezable,
            is_forgotten,
            seed: Atomic::new(self.random.next()),
            _guard: Guard::new(Made::Work),
        };
        let Ok(job) = Work::new_arc(job, GFP_KERNEL) else {
            return;
        };
        let worker = self.with_group(|group| {
            spawn_worker_at(
                level,
                choice.apply(Builder::new(fmt!("storm-work-{level}"))),
                group,
            )
        });

        let Some(worker) = self.made(worker) else {
            return;
        };
        did(Op::SpawnWorker);
        if is_forgotten {
            return self.forget_worker(worker, job);
        }
        self.put(Handle {
            level,
            is_patient: false,
            kind: Kind::Worker { worker, job },
        });
    }

    /// Leaves a worker to its group, with a delayed work item and a running one.
    fn forget_worker(&mut self, worker: Worker, job: Arc<Work<Job>>) {
        let (storm, level, seed) = (self.storm.clone(), job.level, self.random.next());
        let (is_freezable, guard) = (job.is_freezable, Guard::new(Made::Body));
        let closure = move |ctx: &Context<'_>| {
            let mut me = Me::new(&storm, ctx, level, seed);
            let _guard = guard;

            me.is_freezable = is_freezable;
            me.may_wait_endlessly = !is_freezable;
            me.live(!is_freezable);
        };

        did(Op::ForgetWorker);
        // It fails if the group has already stopped the worker.
        let _ = worker.queue_delayed(job, msecs_to_jiffies(HOUR));
        let _ = worker.spawn(GFP_KERNEL, closure);
        core::mem::forget(worker);
    }

    /// Creates per-CPU threads.
    fn register(&mut self) {
        let Some(level) = self.level_below() else {
            return;
        };
        let Ok(value) = PerCpu::new(self.storm, self.random.next()) else {
            return;
        };
        let threads =
            self.with_group(|group| PerCpuThreads::register(group, fmt!("storm-percpu"), value));

        match threads {
            None => {}
            Some(Ok(threads)) => {
                did(Op::Register);
                wake_all(&threads);
                self.put(Handle {
                    level,
                    is_patient: false,
                    kind: Kind::PerCpu(threads),
                });
            }
            Some(Err(error)) if error == EBUSY => did(Op::RegisterBusy),
            Some(Err(error)) => fault!("per-CPU threads could not be made: {error:?}"),
        }
    }

    /// Wakes per-CPU threads, and checks the effect on the CPU that stays online.
    fn wake_percpu(&mut self) {
        let Some(handle) = self.take_if(|handle| matches!(handle.kind, Kind::PerCpu(_))) else {
            return;
        };

        if let (Kind::PerCpu(threads), Some(first)) = (&handle.kind, CpuId::from_u32(0)) {
            // They are not stopped while this holds the group.
            self.with_group(|_| {
                let runs = threads.runs(first);

                did(Op::WakePerCpu);
                wake_all(threads);
                if !eventually(|| threads.runs(first) != runs || !threads.heeds(first)) {
                    fault!("a per-CPU thread does not do what it is woken for");
                }
            });
        }
        self.put(handle);
    }

    /// Stops all members except the caller, and drops the remains.
    fn stop_all(&mut self) {
        if self.level == LEVELS {
            if self.with_group(|group| group.len()).is_some() {
                did(Op::Count);
            }
            return;
        }
        if !self.may_stop_all {
            return;
        }
        let stopped = self.with_group(|group| {
            did(Op::StopAll);
            group.stop_all();
            if group.len() != 1 || !self.ctx.should_stop() {
                fault!("a member that stops all is not the last");
            }
            // None of these is waited for, and no member is added while this holds the group.
            for index in 0..LEVELS * SLOTS {
                if let Some(handle) = self.storm.swap(index, None) {
                    did(Op::StopAllDrop);
                    drop(handle);
                }
            }
        });
        if stopped.is_some() {
            self.luggage.clear();
        }
    }

    /// Queues the work item of any worker, or a closure.
    fn queue(&mut self) {
        // Some should still be queued when their group is dropped.
        let delay = match self.random.below(4) {
            3 => msecs_to_jiffies(HOUR),
            few => few,
        };
        let choice = self.random.below(4);
        let seed = self.random.next();
        let storm = self.storm;
        // Drop it without the lock, as this may be the last reference.
        let mut returned = None;
        let mut guard = None;

        self.with_any(|handle| {
            let Kind::Worker { worker, job } = &handle.kind else {
                return false;
            };
            let level = handle.level;

            match choice {
                0 => {
                    did(Op::QueueDelayed);
                    returned = worker
                        .queue_delayed(job.clone(), delay)
                        .err()
                        .map(|refused| refused.work);
                }
                1 => {
                    did(Op::ModDelayed);
                    returned = match worker.mod_delayed(job.clone(), delay) {
                        Ok(work) => work,
                        Err(refused) => Some(refused.work),
                    };
                }
                2 => {
                    did(Op::Queue);
                    returned = worker.queue(job.clone()).err().map(|refused| refused.work);
                }
                _ => {
                    let (storm, guarded) = (storm.clone(), Guard::new(Made::Body));
                    let is_freezable = job.is_freezable;

                    did(Op::Queue);
                    guard = Some(worker.spawn(GFP_KERNEL, move |ctx| {
                        let mut me = Me::new(&storm, ctx, level, seed);
                        let _guard = guarded;

                        me.is_freezable = is_freezable;
                        me.live(false);
                    }));
                }
            }
            true
        });
        drop(returned);
        if guard.is_some_and(|result| result.is_err_and(|error| error != ESRCH)) {
            fault!("a closure could not be queued");
        }
    }

    /// Queues the running work item again, if it finds its worker.
    fn queue_itself(&mut self, this: &Arc<Work<Job>>) {
        let pid = self.ctx.identity().pid;
        let first = self.level * SLOTS;
        let delay = self.random.below(2);

        for slot in &self.storm.slots[first..first + SLOTS] {
            if let Some(Handle {
                kind: Kind::Worker { worker, .. },
                ..
            }) = &*slot.lock()
            {
                if worker.observer().identity().pid == pid {
                    did(Op::QueueItself);
                    // It fails if the worker is stopped or the item is already queued.
                    let _ = worker.queue_delayed(this.clone(), delay);
                }
            }
        }
    }

    fn flush_or_cancel(&mut self) {
        let Some(handle) = self.take_if(|handle| matches!(handle.kind, Kind::Worker { .. })) else {
            return;
        };

        if let Kind::Worker { worker, job } = &handle.kind {
            if self.random.one_in(2) {
                did(Op::Flush);
                match worker.flush() {
                    Err(error) if error != ESRCH => fault!("flush gives {error:?}"),
                    _ => {}
                }
            } else {
                did(Op::Cancel);
                match worker.cancel_sync(job) {
                    Err(error) if error != ESRCH => fault!("cancel_sync gives {error:?}"),
                    _ => {}
                }
            }
        }
        self.put(handle);
    }

    /// Spawns scoped threads that apply random operations.
    fn nest(&mut self) {
        if self.depth > 1 || self.is_freezable {
            return;
        }
        let (storm, level, depth) = (self.storm, self.level, self.depth + 1);
        let is_asked = self.may_wait_endlessly;
        let ran = Atomic::new(0usize);
        let mut begun = 0;
        let random = &mut self.random;
        let result = scope(|s| {
            let mut before = None;

            for _ in 0..1 + random.below(2) {
                let (seed, choice, is_patient) = (random.next(), random.below(6), random.one_in(3));
                let is_joined = choice == 0 && !is_patient;
                let (guard, ran, other) = (Guard::new(Made::Scoped), &ran, before.take());
                let body = move |ctx: &Context<'_>| {
                    let mut me = Me::new(storm, ctx, level, seed);
                    let _guard = guard;

                    me.depth = depth;
                    // The joiner forwards its own request to stop.
                    me.may_wait_endlessly = is_asked || !is_joined;
                    me.live(is_patient);
                    drop(other);
                    drop(me);
                    ran.fetch_add(1, Relaxed);
                    (ran, Guard::new(Made::Borrower))
                };
                let thread = match spawn_scoped_at(
                    level,
                    Builder::new(fmt!("storm-scope-{level}")),
                    s,
                    body,
                ) {
                    Ok(thread) => thread,
                    Err(error) => {
                        return fault!("a thread of a scope could not be made: {error:?}")
                    }
                };

                begun += 1;
                match choice {
                    0 if is_joined => drop(thread.join()),
                    0 | 1 => drop(thread.stop()),
                    2 => before = Some(thread),
                    3 => thread.detach(),
                    4 if DONE[Op::ForgetScoped as usize].load(Relaxed) < FORGOTTEN => {
                        did(Op::ForgetScoped);
                        core::mem::forget(thread);
                    }
                    _ => drop(thread),
                }
            }
        });

        did(Op::Scope);
        if result.is_err() || ran.load(Relaxed) != begun {
            fault!(
                "{} of {begun} threads of a scope have run",
                ran.load(Relaxed)
            );
        }
    }

    /// Leaves a thread to its group. It returns nothing, as the value would be leaked.
    fn forget(&mut self) {
        let Some(level) = self.level_below() else {
            return;
        };

        if DONE[Op::Forget as usize].load(Relaxed) >= FORGOTTEN {
            return;
        }
        let (storm, guard) = (self.storm.clone(), Guard::new(Made::Body));
        let (seed, is_patient) = (self.random.next(), self.random.one_in(2));
        let thread = self.with_group(|group| {
            group.spawn(fmt!("storm-forgotten"), move |ctx| {
                let mut me = Me::new(&storm, ctx, level, seed);
                let _guard = guard;

                me.may_wait_endlessly = true;
                me.live(is_patient);
            })
        });

        if let Some(thread) = self.made(thread) {
            did(Op::Forget);
            core::mem::forget(thread);
        }
    }

    /// Creates a detached thread.
    fn spawn_detached(&mut self) {
        let (storm, guard) = (self.storm.clone(), Guard::new(Made::Detached));
        let seed = self.random.next();
        let result =
            Builder::new(fmt!("storm-detached")).spawn_detached(self.storm.module, move |ctx| {
                // Dropped last, as the round waits for it.
                let _guard = guard;

                Me::new(&storm, ctx, LEVELS, seed).live(false);
            });

        match result {
            Ok(waker) => {
                did(Op::SpawnDetached);
                self.waker = Some(waker);
            }
            // The module is being unloaded.
            Err(error) if error == ENOENT => {}
            Err(error) => fault!("a detached thread could not be made: {error:?}"),
        }
    }
}

/// Returns whether `f` becomes true within some seconds.
fn eventually(f: impl Fn() -> bool) -> bool {
    let began = Instant::<Monotonic>::now();

    while !f() {
        if began.elapsed() > Delta::from_secs(20) {
            return false;
        }
        fsleep(Delta::from_micros(200));
    }
    true
}

fn all_dropped(made: Made) -> bool {
    let index = made as usize;

    MADE[index].load(Relaxed) == DROPPED[index].load(Relaxed)
}

/// The parameters.
struct Plan {
    seed: u64,
    milliseconds: u64,
    rounds: u64,
    actors: u64,
}

impl Plan {
    fn new() -> Self {
        Self {
            seed: value(module_parameters::seed.value()),
            milliseconds: value(module_parameters::milliseconds.value()),
            rounds: value(module_parameters::rounds.value()),
            actors: value(module_parameters::actors.value()),
        }
    }

    /// Runs one round, and returns whether there may be more.
    fn round(
        &self,
        number: u64,
        ctx: &Context<'_>,
        outer: &ThreadGroup,
        module: &'static ThisModule,
    ) -> Result<bool> {
        let storm = Storm::new(module)?;
        let mut random = Random::new(self.seed.wrapping_add(number << 32));
        let mut actors = KVec::new();

        for _ in 0..self.actors {
            let (storm, seed) = (storm.clone(), random.next());

            actors.push(
                outer.spawn(fmt!("storm-actor"), move |ctx| {
                    let mut me = Me::new(&storm, ctx, LEVELS, seed);

                    while !storm.over.load(Relaxed) && !ctx.should_stop() {
                        me.step();
                    }
                })?,
                GFP_KERNEL,
            )?;
        }

        for _ in 0..random.below(24) {
            let _ = ctx.wait_timeout(Delta::from_millis(5));
            // End most endless waits, which keep actors waiting.
            storm.bell.notify_all();
            storm.gate.complete();
        }
        let group = storm.group.lock().take();
        for (caught, waiting) in CAUGHT.iter().zip(&WAITING) {
            caught.fetch_add(waiting.load(Relaxed), Relaxed);
        }
        drop(group);
        // They continue with the remaining handles.
        let _ = ctx.wait_timeout(Delta::from_micros(random.below(2_000) as i64));
        storm.over.store(true, Relaxed);
        while let Some(actor) = actors.pop() {
            if let Err(error) = actor.join() {
                fault!("an actor has {error:?}");
            }
        }

        // These also put handles into slots.
        if !eventually(|| all_dropped(Made::Detached)) {
            fault!("a detached thread does not end");
            // Its resources are leaked.
            return Ok(false);
        }
        for index in 0..LEVELS * SLOTS {
            match storm.swap(index, None).map(|handle| handle.kind) {
                // Its group has stopped it.
                Some(Kind::New(thread)) => match thread.start().join() {
                    Err(JoinError::NeverRan) => did(Op::NeverRan),
                    _ => fault!("a thread that was new when its group went has run"),
                },
                other => drop(other),
            }
        }
        drop(storm);
        for (index, name) in Made::NAMES.iter().enumerate() {
            let count = || (MADE[index].load(Relaxed), DROPPED[index].load(Relaxed));

            if !eventually(|| count().0 == count().1) {
                fault!("{name}: {} made, {} dropped", count().0, count().1);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run(&self, ctx: &Context<'_>, module: &'static ThisModule) -> Result {
        // SAFETY: The group is dropped at the end of this function, in a thread of another group that
        // the module's value waits for when it is dropped.
        let outer = unsafe { ThreadGroup::new()? };
        let began = Instant::<Monotonic>::now();
        let (mut rounds, mut seconds) = (0, 0);
        let done = || DONE.iter().map(|count| count.load(Relaxed)).sum::<u64>();

        pr_info!("seed {}\n", self.seed);
        while !ctx.should_stop() {
            if !self.round(rounds, ctx, &outer, module)? {
                break;
            }
            rounds += 1;

            let millis = began.elapsed().as_millis().unsigned_abs();
            if millis / 1000 > seconds {
                seconds = millis / 1000;
                pr_info!("second {seconds}: {rounds} rounds, {} operations\n", done());
            }
            if millis >= self.milliseconds || rounds == self.rounds {
                break;
            }
        }
        for (name, count) in Op::NAMES.iter().zip(&DONE) {
            pr_info!("did {name} {}\n", count.load(Relaxed));
        }
        for (index, name) in Made::NAMES.iter().enumerate() {
            let (made, dropped) = (MADE[index].load(Relaxed), DROPPED[index].load(Relaxed));

            pr_info!("made {name} {made}, dropped {dropped}\n");
        }
        let [in_context, foreign] = [0, 1].map(|index| CAUGHT[index].load(Relaxed));
        pr_info!("caught in-context {in_context}, foreign {foreign}\n");
        pr_info!(
            "over: seed {}, {rounds} rounds, {} operations, {} ms, {} faults\n",
            self.seed,
            done(),
            began.elapsed().as_millis(),
            FAULTS.load(Relaxed)
        );
        Ok(())
    }
}

/// Reads a parameter, which is a reference in linux 7.2 and a value in 7.3.
fn value(parameter: impl Borrow<u64>) -> u64 {
    *parameter.borrow()
}

struct Module {
    _group: ThreadGroup,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is dropped with the module's value, or at the end of this function, while
        // the module is loaded.
        let group = unsafe { ThreadGroup::new()? };
        let plan = Plan::new();

        group
            .spawn(fmt!("storm-main"), move |ctx| {
                if let Err(error) = plan.run(ctx, module) {
                    fault!("{error:?}");
                }
            })?
            .detach();
        Ok(Self { _group: group })
    }
}
