// SPDX-License-Identifier: GPL-2.0

//! Threads that die, to see what becomes of those who wait for them and of those who do not.

#[path = "../../kthread/mod.rs"]
pub mod kthread;

use kernel::{
    bindings,
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use kthread::{
    Builder,
    Completion,
    Context,
    Thread,
    ThreadGroup,
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

/// A work that dies once it is told to.
#[pin_data]
struct Deadly {
    #[pin]
    begun: Completion,
    #[pin]
    go: Completion,
}

impl WorkItem for Deadly {
    fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
        this.begun.complete();
        this.go.wait();
        panic!("a work that is to die");
    }
}

/// Tells what comes of waiting for a work that dies, by cancelling it.
fn cancel_what_dies(threads: &ThreadGroup) -> Result<Result<bool>> {
    let deadly = pin_init!(Deadly {
        begun <- Completion::new(),
        go <- Completion::new(),
    });
    let work = Work::new_arc(deadly, GFP_KERNEL)?;
    let worker = Builder::new(fmt!("deadly")).spawn_worker(threads)?;

    worker.queue(work.clone())?;
    work.begun.wait();

    let worker = Arc::new(worker, GFP_KERNEL)?;
    let (theirs, cancelled) = (worker.clone(), work.clone());
    let canceller = threads.spawn(fmt!("canceller"), move |_| {
        theirs
            .cancel_sync(&cancelled)
            .map(|queued| queued.is_some())
    })?;

    // It has been woken, so that this is its next sleep.
    //
    // SAFETY: The handle keeps the task, whose state may be read at any time.
    while unsafe { (&raw const (*canceller.task().as_ptr()).__state).read_volatile() }
        != bindings::TASK_UNINTERRUPTIBLE
    {
        fsleep(Delta::from_millis(1));
    }
    work.go.complete();
    canceller.join().map_err(|_| EIO)
}

impl kernel::Module for Dying {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is part of the module, and dropped with it, or at the end of this.
        let threads = unsafe { ThreadGroup::new()? };
        let joined = threads.spawn(fmt!("oops"), oops)?.join();
        let stopped = threads.spawn(fmt!("panics"), panics)?.stop();
        let cancelled = cancel_what_dies(&threads)?;
        // Nobody ever asks for this one.
        core::mem::forget(threads.spawn(fmt!("forgotten"), oops)?);

        pr_info!("joined {joined:?}, stopped {stopped:?}, cancelled {cancelled:?}\n");
        Ok(Self {
            // Its name is longer than `comm`, to see what is left of it.
            _survivor: threads.spawn(fmt!("survivor-until-the-module-goes"), |ctx| {
                while ctx.wait() != Wake::Stop {}
            })?,
            _threads: threads,
        })
    }
}
