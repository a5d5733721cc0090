// SPDX-License-Identifier: GPL-2.0

//! A thread that opens files on behalf of unprivileged tasks.
//!
//! Port of [`fs/ecryptfs/kthread.c`](srctree/fs/ecryptfs/kthread.c).

#[path = "../kthread/mod.rs"]
mod kthread;
mod open;

use kernel::{
    bindings,
    cred::Credential,
    fs::File,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use kthread::{
    Builder,
    Completion,
    Thread,
    ThreadGroup, //
};
use open::{
    nobody,
    with_rights_of,
    Path, //
};

threaded_module! {
    type: Driver,
    threads: THREADS,
    name: "rust_ecryptfs",
    authors: ["The rust_kthread_demo authors"],
    description: "The thread of eCryptfs, and its clients",
    license: "GPL",
}

/// The place for an answer.
#[pin_data]
struct Answer {
    #[pin]
    file: Mutex<Result<ARef<File>>>,
    #[pin]
    done: Completion,
}

/// A request to open a file.
///
/// Dropping it without an answer refuses it.
struct Request {
    path: Arc<Path>,
    answer: Arc<Answer>,
}

impl Request {
    /// Opens the file with the rights of the current task.
    fn serve(self) {
        *self.answer.file.lock() = self
            .path
            .open_as_current(bindings::O_RDWR | bindings::O_LARGEFILE);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.answer.done.complete();
    }
}

/// The requests that the thread has not taken, or `None` at the end.
#[pin_data]
struct Queue {
    #[pin]
    requests: Mutex<Option<KVec<Request>>>,
}

/// The thread and its requests.
struct Opener {
    queue: Arc<Queue>,
    thread: Thread<()>,
}

impl Opener {
    fn new(threads: &ThreadGroup) -> Result<Self> {
        let queue = Arc::pin_init(
            pin_init!(Queue {
                requests <- new_mutex!(Some(KVec::new())),
            }),
            GFP_KERNEL,
        )?;
        let served = queue.clone();
        let thread =
            Builder::new(fmt!("rust-ecryptfs"))
                .freezable(true)
                .spawn(threads, move |ctx| {
                    let take = || match &mut *served.requests.lock() {
                        Some(requests) if !requests.is_empty() => Some(core::mem::take(requests)),
                        _ => None,
                    };

                    while let Ok(requests) = ctx.wait_for(take) {
                        for request in requests {
                            request.serve();
                        }
                    }
                })?;

        Ok(Self { queue, thread })
    }

    /// Refuses pending and future requests.
    fn close(&self) {
        let refused = self.queue.requests.lock().take();

        drop(refused);
        self.thread.request_stop();
    }

    /// Opens a file for reading and writing with the rights of `cred`, or else through the thread.
    ///
    /// Fails with [`EIO`] once the thread has ended.
    fn open(&self, path: &Arc<Path>, cred: &Credential) -> Result<ARef<File>> {
        let is_read_only = path.is_read_only();
        let mode = match is_read_only {
            true => bindings::O_RDONLY,
            false => bindings::O_RDWR,
        };

        match path.open(bindings::O_LARGEFILE | mode, cred) {
            Err(_) if !is_read_only => {}
            opened => return opened,
        }

        let answer = Arc::pin_init(
            pin_init!(Answer {
                file <- new_mutex!(Err(EIO)),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let request = Request {
            path: path.clone(),
            answer: answer.clone(),
        };

        match &mut *self.queue.requests.lock() {
            Some(requests) => requests.push(request, GFP_KERNEL)?,
            None => return Err(EIO),
        }
        self.thread.wake();
        answer.done.wait_for_completion();

        let opened = core::mem::replace(&mut *answer.file.lock(), Err(EIO));
        opened
    }
}

const CLIENTS: usize = 4;

/// The results of a client.
#[derive(Default)]
struct Tally {
    opened: usize,
    refused: usize,
    failed: usize,
}

/// Opens the file repeatedly until it is refused.
fn client(opener: &Opener, path: &Arc<Path>, cred: &Credential) -> Tally {
    let mut tally = Tally::default();

    for _ in 0..10_000 {
        match opener.open(path, cred) {
            Ok(_file) => tally.opened += 1,
            Err(error) if error == EIO => {
                tally.refused += 1;
                break;
            }
            Err(_) => {
                tally.failed += 1;
                break;
            }
        }
        fsleep(Delta::from_millis(10));
    }
    tally
}

struct Driver {
    clients: KVec<Thread<Tally>>,
    opener: Arc<Opener>,
    threads: ThreadGroup,
}

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let path = Arc::new(Path::find(c"/tmp/secret")?, GFP_KERNEL)?;
        let nobody = nobody()?;
        let direct = with_rights_of(&nobody, || path.open(bindings::O_RDWR, &nobody));

        pr_info!(
            "without the thread: {}\n",
            direct.err().map_or(0, |error| error.to_errno())
        );

        let threads = ThreadGroup::for_module(&THREADS)?;
        let opener = Arc::new(Opener::new(&threads)?, GFP_KERNEL)?;
        // Refuse pending requests if this fails.
        let mut driver = Self {
            clients: KVec::new(),
            opener,
            threads,
        };

        for _ in 0..CLIENTS {
            let (opener, path, nobody) = (driver.opener.clone(), path.clone(), nobody.clone());
            let thread = driver.threads.spawn(fmt!("rust-client"), move |_ctx| {
                with_rights_of(&nobody, || client(&opener, &path, &nobody))
            })?;

            driver.clients.push(thread, GFP_KERNEL)?;
        }
        Ok(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut sum = Tally::default();

        self.opener.close();
        for client in self.clients.drain_all() {
            if let Ok(tally) = client.join() {
                sum.opened += usize::from(tally.opened > 0);
                sum.refused += tally.refused;
                sum.failed += tally.failed;
            }
        }
        pr_info!(
            "of {CLIENTS} clients {} opened it, {} were refused at last, {} failed\n",
            sum.opened,
            sum.refused,
            sum.failed
        );
    }
}
