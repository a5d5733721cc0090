// SPDX-License-Identifier: GPL-2.0

//! Groups of threads, which bound the life of their members.

use super::{
    builder::Builder,
    context::Context,
    thread::Thread, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    task::might_sleep, //
};

/// Where the table of a group holds an entry. Used under the lock of that table.
pub(super) struct Place(Atomic<usize>);

impl Place {
    pub(super) fn new() -> Self {
        Self(Atomic::new(usize::MAX))
    }
}

/// What a group can be made to stop: a thread, or something that has threads.
pub(super) trait Entry: Send + Sync {
    fn place(&self) -> &Place;

    /// Tells whether the caller is a thread that [`Entry::reap`] would wait for.
    fn is_current(&self) -> bool;

    /// Asks for what [`Entry::reap`] waits for.
    fn request_stop(&self);

    /// Returns once all threads are gone, and the table has let go of the entry.
    ///
    /// Whoever comes second waits for the first. Sleeps.
    fn reap(&self);

    /// Drops all that the threads have left.
    ///
    /// # Safety
    ///
    /// The entry must have been reaped, and nobody may use a handle of it at the same time.
    unsafe fn drop_contents(&self);
}

/// The entries of a group that are not gone yet.
///
/// # Invariants
///
/// The `place` of each entry is its place in the table.
#[pin_data]
pub(super) struct Members {
    #[pin]
    table: Mutex<KVVec<Arc<dyn Entry>>>,
}

impl Members {
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                table <- new_mutex!(KVVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn insert(&self, entry: Arc<dyn Entry>) -> Result {
        let mut table = self.table.lock();

        // INVARIANT: The new entry goes to the end.
        entry.place().0.store(table.len(), Relaxed);
        table.push(entry, GFP_KERNEL)?;
        Ok(())
    }

    /// Lets go of an entry, which may not be there any more.
    pub(super) fn remove(&self, place: &Place) {
        let mut table = self.table.lock();
        let index = place.0.load(Relaxed);

        if !table
            .get(index)
            .is_some_and(|entry| core::ptr::eq(entry.place(), place))
        {
            return;
        }
        let Some(last) = table.pop() else {
            return;
        };
        let gone = match table.get_mut(index) {
            // INVARIANT: The last entry takes the place of the one that goes.
            Some(slot) => {
                last.place().0.store(index, Relaxed);
                core::mem::replace(slot, last)
            }
            None => last,
        };

        // To drop the last reference drops what the thread has left, which must be free to lock.
        drop(table);
        drop(gone);
    }

    fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Stops all entries, except for one that the caller is a thread of.
    ///
    /// All are asked before the first is waited for. Nobody may insert entries meanwhile.
    fn stop_all(&self) {
        might_sleep();

        for entry in self.table.lock().iter() {
            entry.request_stop();
        }
        while let Some(entry) = self.last_but_own() {
            entry.reap();
            // Someone else may have reaped it, who is about to do this.
            self.remove(entry.place());
        }
    }

    fn last_but_own(&self) -> Option<Arc<dyn Entry>> {
        let table = self.table.lock();

        table
            .iter()
            .rev()
            .find(|entry| !entry.is_current())
            .cloned()
    }

    /// Like [`Members::stop_all`], and drops all that the threads have left.
    ///
    /// # Safety
    ///
    /// The caller is none of the threads, and from when all are gone nobody uses a handle of them.
    pub(super) unsafe fn stop_and_clear(&self) {
        might_sleep();

        let entries = core::mem::take(&mut *self.table.lock());
        for entry in &entries {
            entry.request_stop();
        }
        for entry in &entries {
            entry.reap();
        }
        for entry in &entries {
            // SAFETY: All entries have been reaped, and by the requirements of this function nobody
            // uses a handle any more.
            unsafe { entry.drop_contents() };
        }
    }
}

/// A set of kernel threads that ends before its owner does.
///
/// Threads are created as members of a group. A handle may be dropped, which stops its thread, or
/// leaked, which does not; when the group is dropped it stops all members that are left.
///
/// # Examples
///
/// ```
/// struct Driver {
///     threads: ThreadGroup,
/// }
///
/// impl kernel::Module for Driver {
///     fn init(_module: &'static ThisModule) -> Result<Self> {
///         // SAFETY: The group is part of the module, which is dropped when the module is unloaded.
///         let threads = unsafe { ThreadGroup::new()? };
///         // The handle is not kept: the group takes care of the thread.
///         core::mem::forget(threads.spawn(fmt!("worker"), |ctx| while ctx.wait() != Wake::Stop {})?);
///         Ok(Self { threads })
///     }
/// }
/// ```
pub struct ThreadGroup {
    members: Arc<Members>,
}

impl ThreadGroup {
    /// Creates a group without members.
    ///
    /// Sleeps. Fails with [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// The group must be dropped before the text of the module that creates its threads is freed,
    /// and not by one of these threads, nor, if it has [`PerCpuThreads`](super::PerCpuThreads), by
    /// any per-CPU thread of the kernel, as these are not told apart. In particular it must not be
    /// passed to [`core::mem::forget`]. A group that is part of the value that
    /// [`kernel::Module::init`] returns satisfies this.
    pub unsafe fn new() -> Result<Self> {
        Ok(Self {
            members: Members::new()?,
        })
    }

    /// Creates a thread named `name` and starts it, with defaults for everything else.
    ///
    /// See [`Builder`] for the choices that there are, and [`Builder::create`] for context and
    /// errors.
    #[doc(alias = "kthread_run")]
    pub fn spawn<F, T>(&self, name: fmt::Arguments<'_>, closure: F) -> Result<Thread<T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        Builder::new(name).spawn(self, closure)
    }

    /// Returns how many threads of the group are not gone yet.
    ///
    /// Sleeps.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Tells whether all threads of the group are gone.
    ///
    /// Sleeps.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stops all members, and returns once they are gone.
    ///
    /// All are asked before the first is waited for, so that this takes as long as the slowest. A
    /// member that calls this is asked, and otherwise left alone.
    ///
    /// Sleeps.
    pub fn stop_all(&mut self) {
        self.members.stop_all();
    }

    pub(super) fn members(&self) -> &Arc<Members> {
        &self.members
    }
}

impl Drop for ThreadGroup {
    /// Stops what is left of the members.
    fn drop(&mut self) {
        self.stop_all();
    }
}
