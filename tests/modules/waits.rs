// SPDX-License-Identifier: GPL-2.0

//! Waits that the kernel complains about, one kind per load, which `what` selects.

#[path = "../../kthread/mod.rs"]
mod kthread;

use kernel::{
    bindings,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};
use kthread::{
    Builder,
    ThreadGroup, //
};

module! {
    type: Waits,
    name: "kthread_waits",
    authors: ["The rust_kthread_demo authors"],
    description: "Waits of kernel threads that the kernel complains about",
    license: "GPL",
    params: {
        what: u64 {
            default: 0,
            description: "1: endless waits, 2: to stop with a lock held, 3: interrupts off, 4: slack",
        },
    },
}

struct Waits {
    go: Arc<Atomic<bool>>,
    _threads: ThreadGroup,
}

/// Starts threads that wait for endless threads with join, stop and flush.
fn endless(threads: &ThreadGroup, go: &Arc<Atomic<bool>>) -> Result {
    // Short repeated sleeps do not count as hung.
    let deaf = |go: &Arc<Atomic<bool>>| {
        let go = go.clone();

        move || {
            while !go.load(Relaxed) {
                fsleep(Delta::from_millis(10));
            }
        }
    };
    let (joined, stopped, flushed) = (deaf(go), deaf(go), deaf(go));
    let joined = threads.spawn(fmt!("deaf"), move |_| joined())?;
    let stopped = threads.spawn(fmt!("deaf"), move |_| stopped())?;
    let worker = Builder::new(fmt!("deaf")).spawn_worker(threads)?;

    worker.spawn(GFP_KERNEL, move |_| flushed())?;
    threads
        .spawn(fmt!("waits-join"), move |_| joined.join())?
        .detach();
    threads
        .spawn(fmt!("waits-stop"), move |_| stopped.stop())?
        .detach();
    threads
        .spawn(fmt!("waits-flush"), move |_| worker.flush())?
        .detach();
    Ok(())
}

/// Stops a thread while holding a lock that the thread has taken before.
fn stop_with_lock_held(threads: &ThreadGroup) -> Result {
    let lock = Arc::pin_init(new_mutex!(0), GFP_KERNEL)?;
    let taken = lock.clone();
    let thread = threads.spawn(fmt!("locks"), move |_| *taken.lock() += 1)?;

    // This time it does not deadlock.
    while !thread.is_finished() {
        fsleep(Delta::from_millis(1));
    }
    let _guard = lock.lock();
    let _ = thread.stop();
    Ok(())
}

/// Uses an address space with interrupts off.
fn use_mm_with_interrupts_off(threads: &ThreadGroup) -> Result {
    let mm = ARef::from(kernel::current!().mm().ok_or(EINVAL)?);
    let thread = threads.spawn(fmt!("irqs-off"), move |ctx| {
        let done = Opaque::<bindings::completion>::uninit();

        // SAFETY: The completion is initialised and not moved, and this is the only user of its lock.
        unsafe {
            bindings::init_completion(done.get());
            let lock = &raw mut (*done.get()).wait.lock;
            let flags = bindings::_raw_spin_lock_irqsave(lock);

            ctx.use_mm(&mm, |_| ());
            bindings::_raw_spin_unlock_irqrestore(lock, flags);
        }
    })?;

    let _ = thread.join();
    Ok(())
}

/// Starts threads that wait for an hour, one of them with a unique timer slack.
fn wait_with_slack(threads: &ThreadGroup) -> Result {
    let precise = Builder::new(fmt!("precise"));
    let lax = Builder::new(fmt!("lax")).timer_slack(Delta::from_nanos(123_456_789_012));

    for builder in [precise, lax] {
        builder
            .spawn(threads, |ctx| ctx.wait_timeout(Delta::from_secs(3600)))?
            .detach();
    }
    Ok(())
}

impl kernel::Module for Waits {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The group is dropped with the module's value, or at the end of this function, while
        // the module is loaded.
        let threads = unsafe { ThreadGroup::new()? };
        let go = Arc::new(Atomic::new(false), GFP_KERNEL)?;

        match module_parameters::what.value() {
            1 => endless(&threads, &go)?,
            2 => stop_with_lock_held(&threads)?,
            3 => use_mm_with_interrupts_off(&threads)?,
            4 => wait_with_slack(&threads)?,
            _ => return Err(EINVAL),
        }
        Ok(Self {
            go,
            _threads: threads,
        })
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.go.store(true, Relaxed);
    }
}
