// SPDX-License-Identifier: GPL-2.0

//! The workers, by name, and the commands on them.

use super::{
    command::{
        Command,
        Options,
        Place, //
    },
    lifecycle::Event,
    name::Name,
    worker::{
        time_since,
        Worker, //
    },
    worker_files::WorkerFiles, //
};
use crate::{
    debugfs::Dir,
    kthread::{
        Builder,
        NewThread,
        Placement,
        Thread,
        ThreadGroup, //
    },
    stats::{
        clock::monotonic_ns,
        counters::{
            Kind,
            State,
            Totals, //
        },
        latency::{
            Latency,
            Measure, //
        }, //
    }, //
};
use kernel::{
    cpu::CpuId,
    fmt,
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// The thread of a worker.
enum Handle {
    /// Not created yet, or being stopped.
    ///
    /// Other commands do not find the worker.
    None,
    Created(NewThread<()>),
    Started(Thread<()>),
}

/// A name in use.
#[pin_data]
struct Slot {
    worker: Arc<Worker>,
    #[pin]
    handle: Mutex<Handle>,
    #[pin]
    files: Mutex<Option<WorkerFiles>>,
}

impl Slot {
    /// Takes the worker, so that other commands do not find it from now on.
    fn take_handle(&self) -> Result<Handle> {
        // ORDERING: proofs/litmus/wakes-stop.litmus
        match core::mem::replace(&mut *self.handle.lock(), Handle::None) {
            Handle::None => Err(ENOENT),
            handle => Ok(handle),
        }
    }
}

/// All workers.
///
/// While a thread is created or stopped, only the lock of its own slot is held. The table is locked
/// only to look up names.
#[pin_data]
pub(crate) struct Pool {
    #[pin]
    slots: Mutex<Slots>,
    totals: Arc<Totals>,
    max_workers: u64,
    period_us: u64,
    dir: Arc<Dir>,
    threads: ThreadGroup,
}

struct Slots {
    by_name: RBTree<Name, Arc<Slot>>,
    len: u64,
    /// The latencies of workers that are gone.
    latency: Latency,
}

impl Pool {
    /// Creates a pool whose workers get directories in `dir`.
    pub(super) fn new(
        threads: ThreadGroup,
        totals: Arc<Totals>,
        max_workers: u64,
        period_us: u64,
        dir: Arc<Dir>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                slots <- new_mutex!(Slots {
                    by_name: RBTree::new(),
                    len: 0,
                    latency: Latency::default(),
                }),
                totals,
                max_workers,
                period_us,
                dir,
                threads,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the period of periodic workers that name no other, in microseconds.
    pub(super) fn period_us(&self) -> u64 {
        self.period_us
    }

    /// Executes a command, entirely or not at all.
    pub(super) fn execute(&self, command: Command) -> Result {
        match command {
            Command::Create(name, options) => self.create(name, options, false),
            Command::Run(name, options) => self.create(name, options, true),
            Command::Start(name) => self.start(name),
            Command::Wake(name) => self.wake(name),
            Command::Park(name) => self.park(name),
            Command::Unpark(name) => self.unpark(name),
            Command::Stop(name) => self.stop(name),
            Command::StopAll => self.stop_all(),
        }
    }

    fn create(&self, name: Name, options: Options, start: bool) -> Result {
        let slot = self.reserve(name, &options)?;
        let (thread, files) = self
            .make(name, options, &slot)
            .inspect_err(|_| self.release(name))?;

        *slot.files.lock() = Some(files);
        self.totals.count(|counts| counts.add_worker());

        // From here on other commands find the worker.
        let mut handle = slot.handle.lock();
        *handle = Handle::Created(thread);
        if start {
            self.start_created(&slot, &mut handle)?;
        }
        Ok(())
    }

    /// Reserves a name for a worker that is about to be created.
    fn reserve(&self, name: Name, options: &Options) -> Result<Arc<Slot>> {
        let slot = Arc::pin_init(
            pin_init!(Slot {
                worker: Arc::new(Worker::new(options, self.totals.clone()), GFP_KERNEL)?,
                handle <- new_mutex!(Handle::None),
                files <- new_mutex!(None),
            }? Error),
            GFP_KERNEL,
        )?;
        let node = RBTreeNode::new(name, slot.clone(), GFP_KERNEL)?;
        let mut slots = self.slots.lock();

        if slots.by_name.get(&name).is_some() {
            return Err(EEXIST);
        }
        if slots.len >= self.max_workers {
            return Err(ENOSPC);
        }
        slots.by_name.insert(node);
        slots.len += 1;
        Ok(slot)
    }

    /// Releases a name, and keeps the measurements of its worker.
    fn release(&self, name: Name) {
        let mut slots = self.slots.lock();

        if let Some(slot) = slots.by_name.get(&name) {
            slots.latency.add(&slot.worker.latency);
        }
        let node = slots.by_name.remove_node(&name);
        slots.len -= 1;
        drop(slots);
        // The rest of the worker is dropped without the lock.
        drop(node);
    }

    /// Creates the thread and the files of a worker.
    fn make(
        &self,
        name: Name,
        options: Options,
        slot: &Slot,
    ) -> Result<(NewThread<()>, WorkerFiles)> {
        let placement = match options.place {
            Place::Anywhere => Placement::Anywhere,
            Place::Node(node) => Placement::Node(node),
            Place::Cpu(cpu) => Placement::Cpu(CpuId::from_u32(cpu).ok_or(ENODEV)?),
        };
        let worker = slot.worker.clone();

        let requested_ns = monotonic_ns();
        worker.lifecycle.record(Event::Requested);
        let body = worker.clone();
        let thread = choose(&options, Builder::new(fmt!("{name}")).placement(placement))
            .create(&self.threads, move |ctx| body.run(ctx))?;
        let took = time_since(requested_ns);
        worker.lifecycle.record(Event::Created);
        worker.set_observer(thread.observer());
        let files = WorkerFiles::new(name, &self.dir, &worker)?;

        // Only now it is certain that there will be a worker.
        worker.latency.record(Measure::Create, took);
        Ok((thread, files))
    }

    fn start(&self, name: Name) -> Result {
        let slot = self.find(name)?;
        let mut handle = slot.handle.lock();

        self.start_created(&slot, &mut handle)
    }

    fn start_created(&self, slot: &Slot, handle: &mut Handle) -> Result {
        match core::mem::replace(handle, Handle::None) {
            Handle::None => Err(ENOENT),
            Handle::Created(thread) => {
                slot.worker.stats.set_state(State::Running);
                self.totals.count(|counts| counts.started += 1);
                slot.worker.about_to_wake();
                *handle = Handle::Started(thread.start());
                Ok(())
            }
            started @ Handle::Started(_) => {
                *handle = started;
                Err(EBUSY)
            }
        }
    }

    fn wake(&self, name: Name) -> Result {
        // ORDERING: proofs/litmus/wakes-stop.litmus
        // ORDERING: proofs/litmus/wakes-time.litmus
        self.with_started(name, |worker, thread| {
            if matches!(worker.stats.kind(), Kind::Periodic { .. }) {
                return Err(EINVAL);
            }
            if thread.is_parked() {
                return Err(EBUSY);
            }
            worker.about_to_wake();
            worker.stats.add_wake();
            self.totals.count(|counts| counts.wakes += 1);
            thread.wake();
            Ok(())
        })
    }

    fn park(&self, name: Name) -> Result {
        self.with_started(name, |worker, thread| {
            if thread.is_parked() {
                return Err(EBUSY);
            }
            let requested_ns = monotonic_ns();
            worker.lifecycle.record(Event::ParkRequested);
            thread.park()?;
            worker.measure(Measure::Park, requested_ns);
            worker.lifecycle.record(Event::Parked);
            worker.stats.set_state(State::Parked);
            worker.stats.add_park();
            self.totals.count(|counts| counts.parks += 1);
            Ok(())
        })
    }

    fn unpark(&self, name: Name) -> Result {
        // ORDERING: proofs/litmus/unpark-count.litmus
        self.with_started(name, |worker, thread| {
            if !thread.is_parked() {
                return Err(EBUSY);
            }
            // A periodic worker reads the count when it continues.
            worker.stats.add_unpark();
            worker.stats.set_state(State::Running);
            worker.lifecycle.record(Event::Unparked);
            self.totals.count(|counts| counts.unparks += 1);
            let requested_ns = monotonic_ns();
            thread.unpark()?;
            worker.measure(Measure::Unpark, requested_ns);
            Ok(())
        })
    }

    fn stop(&self, name: Name) -> Result {
        let slot = self.find(name)?;
        let handle = slot.take_handle()?;

        slot.worker.lifecycle.record(Event::StopRequested);
        self.finish_stop(name, &slot, handle);
        Ok(())
    }

    pub(super) fn stop_all(&self) -> Result {
        let mut found = KVVec::new();
        {
            let slots = self.slots.lock();

            // CAST: The table fits into memory.
            found.reserve(slots.len as usize, GFP_KERNEL)?;
            for (name, slot) in slots.by_name.iter() {
                found.push((*name, slot.clone()), GFP_KERNEL)?;
            }
        }
        let mut taken = KVVec::with_capacity(found.len(), GFP_KERNEL)?;

        // All are asked before the first is waited for.
        for (name, slot) in found {
            // Workers that are being created or stopped are left to the command that does so.
            if let Ok(handle) = slot.take_handle() {
                slot.worker.lifecycle.record(Event::StopRequested);
                if let Handle::Started(thread) = &handle {
                    thread.request_stop();
                }
                taken.push((name, slot, handle), GFP_KERNEL)?;
            }
        }
        for (name, slot, handle) in taken {
            self.finish_stop(name, &slot, handle);
        }
        Ok(())
    }

    /// Stops the thread of a worker that other commands no longer find, and removes its directory.
    fn finish_stop(&self, name: Name, slot: &Slot, handle: Handle) {
        let requested_ns = monotonic_ns();
        drop(handle);
        slot.worker.measure(Measure::Stop, requested_ns);
        let files = slot.files.lock().take();
        drop(files);
        self.totals.count(|counts| counts.stopped += 1);
        self.release(name);
    }

    fn find(&self, name: Name) -> Result<Arc<Slot>> {
        self.slots.lock().by_name.get(&name).cloned().ok_or(ENOENT)
    }

    fn with_started(
        &self,
        name: Name,
        f: impl FnOnce(&Worker, &mut Thread<()>) -> Result,
    ) -> Result {
        // ORDERING: proofs/litmus/single-writer.litmus
        // ORDERING: proofs/litmus/wakes-stop.litmus
        let slot = self.find(name)?;
        let mut handle = slot.handle.lock();

        match &mut *handle {
            Handle::None => Err(ENOENT),
            Handle::Created(_) => Err(EBUSY),
            // It died. It can only be stopped.
            Handle::Started(thread) if thread.is_finished() => Err(ESRCH),
            Handle::Started(thread) => f(&slot.worker, thread),
        }
    }
}

/// Shows the latencies of all present and past workers.
pub(super) struct LatencyOfAll<'a>(pub(super) &'a Pool);

impl fmt::Display for LatencyOfAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.0.slots.lock();
        let workers = || slots.by_name.values().map(|slot| &slot.worker.latency);

        slots.latency.show_with(workers, f)
    }
}

/// Passes an optional word of the command to a call of the builder.
fn choose<'a>(options: &Options, mut builder: Builder<'a>) -> Builder<'a> {
    if let Some(policy) = options.policy {
        builder = builder.policy(policy);
    }
    builder.freezable(options.freezable)
}
