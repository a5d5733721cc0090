// SPDX-License-Identifier: GPL-2.0

//! A thread that nobody stops or joins: it holds its module until it has ended by itself.
//!
//! A write to `/sys/kernel/debug/kthread_detached/job` starts it, another one tells it to finish.

#[path = "../debugfs/mod.rs"]
mod debugfs;
#[path = "../kthread/mod.rs"]
mod kthread;

use debugfs::{
    File,
    Root,
    Show,
    Store, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    uaccess::UserSliceReader, //
};
use kthread::{
    Builder,
    Waker, //
};

module! {
    type: KthreadDetached,
    name: "kthread_detached",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread that holds its module",
    license: "GPL",
}

#[pin_data]
struct Job {
    module: &'static ThisModule,
    #[pin]
    waker: Mutex<Option<Waker>>,
}

impl Show for Job {
    type Data = Self;

    fn show(job: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = job.waker.lock().is_some();
        writeln!(f, "{}", if started { "started" } else { "none" })
    }
}

impl Store for Job {
    fn store(job: &Self, _reader: UserSliceReader) -> Result {
        let mut waker = job.waker.lock();

        if let Some(waker) = waker.take() {
            waker.wake();
            return Ok(());
        }
        // Not possible in `init`: a module that may still fail to load is not held.
        *waker = Some(Builder::new(fmt!("job")).spawn_detached(job.module, |ctx| {
            pr_info!("the job begins\n");
            let _ = ctx.wait();
            pr_info!("the job is done\n");
        })?);
        Ok(())
    }
}

struct KthreadDetached {
    _file: File,
    _root: Root,
}

impl kernel::Module for KthreadDetached {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let job = pin_init!(Job {
            module,
            waker <- new_mutex!(None),
        });
        let job = Arc::pin_init(job, GFP_KERNEL)?;
        // SAFETY: The root is part of the module, and dropped when that is unloaded.
        let root = unsafe { Root::new(c"kthread_detached")? };

        Ok(Self {
            _file: File::read_write::<Job>(c"job", root.dir(), job)?,
            _root: root,
        })
    }
}
