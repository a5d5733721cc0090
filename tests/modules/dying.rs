// SPDX-License-Identifier: GPL-2.0

//! Threads that die, to test what happens to waiters and to other threads.

#[path = "../../kthread/mod.rs"]
mod kthread;

use kernel::{
    bindings,
    current,
    mm::MmWithUser,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            atomic_load,
            Relaxed, //
        },
        Arc, //
    },
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use kthread::{
    scope,
    Builder,
    Completion,
    Context,
    JoinError,
    Refusal,
    Thread,
    ThreadGroup,
    WaitQueue,
    Wake,
    Work,
    WorkItem, //
};

module! {
    type: Dying,
    name: "kthread_dying",
    authors: ["The rust_kthread_demo authors"],
    description: "Kernel threads that die",
    license: "GPL",
}

struct Dying {
    _threads: ThreadGroup,
    _survivor: Thread<()>,
}

/// Dies of an oops.
fn oops(_: &Context<'_>) -> u32 {
    // SAFETY: Not upheld, on purpose: the fault is what the thread is to die of.
    u32::from(unsafe { core::ptr::null::<u8>().read_volatile() })
}

/// Dies of a Rust panic.
fn panics(_: &Context<'_>) -> u32 {
    panic!("a thread that is to die");
}

/// Dies of an oops while using an address space.
fn oops_on(ctx: &Context<'_>, mm: &MmWithUser) -> u32 {
    ctx.use_mm(mm, |_| {
        // SAFETY: Not upheld, on purpose: the fault is what the thread is to die of.
        u32::from(unsafe { core::ptr::null::<u8>().read_volatile() })
    })
}

/// Dies of a Rust panic while using an address space.
fn panics_on(ctx: &Context<'_>, mm: &MmWithUser) -> u32 {
    ctx.use_mm(mm, |_| panic!("a thread that is to die"))
}

/// A work item that dies on request.
#[pin_data]
struct Deadly {
    #[pin]
    begun: Completion,
    #[pin]
    go: Completion,
}

impl Deadly {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            begun <- Completion::new(),
            go <- Completion::new(),
        })
    }
}

impl WorkItem for Deadly {
    fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
        this.begun.complete();
        this.go.wait_for_completion();
        panic!("a work item that has to die");
    }
}

/// Returns once a started thread sleeps.
fn until_it_waits(task: &Task) {
    // The thread has been woken, so this is its next sleep.
    //
    // SAFETY: The caller holds a reference to the task, whose state may be read at any time.
    while unsafe { (&raw const (*task.as_ptr()).__state).read_volatile() }
        != bindings::TASK_UNINTERRUPTIBLE
    {
        fsleep(Delta::from_millis(1));
    }
}

/// Logs the result of cancelling a work item that dies.
fn cancel_what_dies(threads: &ThreadGroup) -> Result<Result<bool>> {
    let work = Work::new_arc(Deadly::new(), GFP_KERNEL)?;
    let worker = Builder::new(fmt!("deadly")).spawn_worker(threads)?;

    worker.queue(work.clone())?;
    work.begun.wait_for_completion();

    let worker = Arc::new(worker, GFP_KERNEL)?;
    let (theirs, cancelled) = (worker.clone(), work.clone());
    let canceller = threads.spawn(fmt!("canceller"), move |_| {
        theirs
            .cancel_sync(&cancelled)
            .map(|queued| queued.is_some())
    })?;

    until_it_waits(canceller.task());
    work.go.complete();
    canceller.join().map_err(|_| EIO)
}

/// Logs the result of parking a thread that has died.
fn park_what_has_died(threads: &ThreadGroup) -> Result<Result> {
    let mut thread = threads.spawn(fmt!("oops"), oops)?;

    while !thread.is_finished() {
        fsleep(Delta::from_millis(1));
    }
    Ok(thread.park())
}

/// Logs the results of calling a worker that dies in the call, and of a call that is queued behind
/// the work item in which the worker dies.
fn call_what_dies(threads: &ThreadGroup) -> Result<[Result<u32>; 2]> {
    let worker = Builder::new(fmt!("called")).spawn_worker(threads)?;
    let died = worker.call(panics);
    let behind = Arc::new(
        Builder::new(fmt!("called")).spawn_worker(threads)?,
        GFP_KERNEL,
    )?;
    let work = Work::new_arc(Deadly::new(), GFP_KERNEL)?;

    behind.queue(work.clone())?;
    work.begun.wait_for_completion();
    let theirs = behind.clone();
    let caller = threads.spawn(fmt!("caller"), move |_| theirs.call(|_| 7))?;
    until_it_waits(caller.task());
    work.go.complete();
    Ok([died, caller.join().map_err(|_| EIO)?])
}

/// Wakes a queue on which a thread has died, and returns the result of a live waiter.
fn wake_where_one_has_died(threads: &ThreadGroup) -> Result<Result<Wake>> {
    let queue = Arc::pin_init(WaitQueue::new(), GFP_KERNEL)?;
    let died = queue.clone();
    let thread = threads.spawn(fmt!("on-queue"), move |ctx| {
        ctx.with_wait_queue(&died, || panics(ctx))
    })?;

    if thread.join().err() != Some(JoinError::Died) {
        return Err(EIO);
    }
    let waits = queue.clone();
    let thread = threads.spawn(fmt!("on-queue"), move |ctx| {
        ctx.with_wait_queue(&waits, || ctx.wait())
    })?;
    while !thread.is_finished() {
        queue.wake_up_all();
        fsleep(Delta::from_millis(1));
    }
    thread.join().map_err(|_| EIO)
}

/// Returns the number of users of the caller's address space.
fn mm_users() -> i32 {
    // SAFETY: The caller is a process, which has an address space. Others count its users
    // atomically.
    unsafe {
        let mm = (*bindings::get_current()).mm;

        atomic_load(&raw mut (*mm).__bindgen_anon_1.mm_users.counter, Relaxed)
    }
}

/// Logs how many references to the caller's address space are leaked by threads that died while
/// using it, and the result of a worker that died this way.
fn die_on_borrowed_memory(threads: &ThreadGroup) -> Result<(i32, Result, Option<Refusal>)> {
    let mm = ARef::from(current!().mm().ok_or(EINVAL)?);
    let before = mm_users();

    for dies in [oops_on, panics_on] {
        let used = mm.clone();
        let member = threads.spawn(fmt!("on-mm"), move |ctx| dies(ctx, &used))?;
        if member.join() != Err(JoinError::Died) {
            return Err(EIO);
        }
        scope(|s| {
            let scoped = s.spawn(fmt!("on-mm"), |ctx| dies(ctx, &mm))?;
            scoped.stop().err().map(|_| ()).ok_or(EIO)
        })??;
    }
    let worker = Builder::new(fmt!("on-mm")).spawn_worker(threads)?;
    let used = mm.clone();
    worker.spawn(GFP_KERNEL, move |ctx| {
        panics_on(ctx, &used);
    })?;
    // The death ends this, at once.
    let flushed = worker.flush();
    let work = Work::new_arc(Deadly::new(), GFP_KERNEL)?;
    let refused = worker.queue(work).err().map(|refused| refused.reason);

    // The closures that died have leaked their references. An exiting task reports its exit before it
    // releases its memory.
    let lost = || mm_users() - before - 3;
    for _ in 0..10_000 {
        if lost() == 0 {
            break;
        }
        fsleep(Delta::from_millis(1));
    }
    Ok((lost(), flushed, refused))
}

impl kernel::Module for Dying {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is dropped with the module's value, or at the end of this function, while
        // the module is loaded.
        let threads = unsafe { ThreadGroup::new()? };
        let joined = threads.spawn(fmt!("oops"), oops)?.join();
        let stopped = threads.spawn(fmt!("panics"), panics)?.stop();
        let parked = park_what_has_died(&threads)?;
        let cancelled = cancel_what_dies(&threads)?;
        let woken = wake_where_one_has_died(&threads)?;
        let called = call_what_dies(&threads)?;
        let (lost, flushed, refused) = die_on_borrowed_memory(&threads)?;
        // These are never joined. They die one after the other, to keep their messages apart.
        for (dies, is_detached) in [(oops as fn(&Context<'_>) -> u32, false), (panics, true)] {
            let thread = threads.spawn(fmt!("forgotten"), dies)?;
            let observer = thread.observer();

            match is_detached {
                true => thread.detach(),
                false => core::mem::forget(thread),
            }
            while !observer.is_finished() {
                fsleep(Delta::from_millis(1));
            }
        }

        pr_info!(
            "joined {joined:?}, stopped {stopped:?}, parked {parked:?}, cancelled {cancelled:?}\n"
        );
        pr_info!("called {called:?}\n");
        pr_info!("on the queue where one has died {woken:?}\n");
        pr_info!("users of its memory {lost:+}, flushed {flushed:?}, refused {refused:?}\n");
        Ok(Self {
            // The name is longer than `comm`, to test its truncation.
            _survivor: threads.spawn(fmt!("survivor-until-the-module-goes"), |ctx| {
                while ctx.wait() != Wake::Stop {}
            })?,
            _threads: threads,
        })
    }
}
