// SPDX-License-Identifier: GPL-2.0

//! A thread that waits for a request, serves it, and waits again.
//!
//! Each write to `/sys/kernel/debug/kthread_request/requests` is a request. Reading the file shows
//! how many are waiting; the log shows which have been served.

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
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    uaccess::UserSliceReader, //
};
use kthread::{
    Thread,
    ThreadGroup,
    Wake, //
};

threaded_module! {
    type: KthreadRequest,
    threads: THREADS,
    name: "kthread_request",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread that waits for requests",
    license: "GPL",
}

/// The file `requests`, and the thread that it wakes.
struct Server {
    pending: Arc<Atomic<u64>>,
    thread: Thread<()>,
}

impl Show for Server {
    type Data = Self;

    fn show(server: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pending {}", server.pending.load(Relaxed))
    }
}

impl Store for Server {
    fn store(server: &Self, _reader: UserSliceReader) -> Result {
        // The request is queued before the thread is woken.
        server.pending.fetch_add(1, Relaxed);
        server.thread.wake();
        Ok(())
    }
}

struct KthreadRequest {
    // Dropped in this order, so no new request comes when the thread is stopped.
    _file: File,
    _root: Root,
    _threads: ThreadGroup,
}

impl kernel::Module for KthreadRequest {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let threads = ThreadGroup::for_module(&THREADS)?;
        let pending = Arc::new(Atomic::new(0u64), GFP_KERNEL)?;

        let requests = pending.clone();
        let thread = threads.spawn(fmt!("server"), move |ctx| {
            let mut served = 0;
            while ctx.wait_until(|| requests.load(Relaxed) > 0) == Wake::Ready {
                requests.fetch_sub(1, Relaxed);
                served += 1;
                // Serving a request may sleep.
                pr_info!("request {served} is served\n");
            }
        })?;

        // SAFETY: The root is part of the module, and dropped when that is unloaded.
        let root = unsafe { Root::new(c"kthread_request")? };
        let server = Arc::new(Server { pending, thread }, GFP_KERNEL)?;
        Ok(Self {
            _file: File::read_write::<Server>(c"requests", root.dir(), server)?,
            _root: root,
            _threads: threads,
        })
    }
}
