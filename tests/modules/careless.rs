// SPDX-License-Identifier: GPL-2.0

//! Groups of threads that are leaked, own themselves, or are dropped by a member, in a module
//! without any `unsafe`.

#[path = "../../kthread/mod.rs"]
mod kthread;

use core::{
    borrow::Borrow,
    mem::forget, //
};
use kernel::{
    faux,
    prelude::*,
    sync::Arc,
    InPlaceModule, //
};
use kthread::{
    Builder,
    ThreadGroup,
    Wake, //
};

threaded_module! {
    type: Careless,
    threads: THREADS,
    name: "kthread_careless",
    authors: ["The rust_kthread_demo authors"],
    description: "Groups of threads that nobody stops",
    license: "GPL",
    params: {
        fail: u8 {
            default: 0,
            description: "Whether the load fails after all has been made",
        },
    },
}

/// Logs when it is dropped, at the end of a thread.
struct Says(&'static str);

impl Drop for Says {
    fn drop(&mut self) {
        pr_info!("ended: {}\n", self.0);
    }
}

/// Adds a thread that waits until it is stopped.
fn add(group: &ThreadGroup, name: &'static str) -> Result {
    let says = Says(name);

    Builder::new(fmt!("{name}"))
        .spawn_member(group, move |ctx| {
            while ctx.wait() != Wake::Stop {}
            drop(says);
        })
        .map(drop)
}

/// Reads a parameter, which is a reference in linux 7.2 and a value in 7.3.
fn value(parameter: impl Borrow<u8>) -> u8 {
    *parameter.borrow()
}

struct Careless {
    _device: faux::Registration,
    _kept: Arc<ThreadGroup>,
}

impl kernel::Module for Careless {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let leaked = ThreadGroup::for_module(&THREADS)?;
        add(&leaked, "leaked")?;
        forget(leaked);

        let own = Arc::new(ThreadGroup::for_module(&THREADS)?, GFP_KERNEL)?;
        let (kept, says) = (own.clone(), Says("own"));
        Builder::new(fmt!("own")).spawn_member(&own, move |ctx| {
            while ctx.wait() != Wake::Stop {}
            drop((kept, says));
        })?;

        let device = faux::Registration::new(c"kthread_careless", None)?;
        let bound = ThreadGroup::for_faux(&THREADS, &device)?;
        add(&bound, "bound")?;
        forget(bound);

        let kept = Arc::new(ThreadGroup::for_module(&THREADS)?, GFP_KERNEL)?;
        add(&kept, "kept")?;
        forget(kept.clone());

        // A second value of the module is refused.
        let again = KBox::pin_init(LocalModule::init(module), GFP_KERNEL);
        pr_info!("again: {:?}\n", again.err());
        if value(module_parameters::fail.value()) != 0 {
            return Err(EIO);
        }
        Ok(Self {
            _device: device,
            _kept: kept,
        })
    }
}
