// SPDX-License-Identifier: GPL-2.0

//! Groups of threads, which bound the life of their members.

use super::{
    builder::Builder,
    context::Context,
    packet::{
        self,
        Core,
        Member, //
    },
    thread::Thread, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc,
        Mutex, //
    },
    task::might_sleep, //
};

/// The threads of a group that are not gone yet.
///
/// # Invariants
///
/// The `index` of each member is its place in the table.
#[pin_data]
pub(super) struct Members {
    #[pin]
    table: Mutex<KVVec<Arc<dyn Member>>>,
}

impl Members {
    pub(super) fn insert(&self, member: Arc<dyn Member>) -> Result {
        let mut table = self.table.lock();

        // INVARIANT: The new member goes to the end.
        member.core().index.store(table.len(), Relaxed);
        table.push(member, GFP_KERNEL)?;
        Ok(())
    }

    /// Lets go of a member, which may not be there any more.
    pub(super) fn remove(&self, core: &Core) {
        let mut table = self.table.lock();
        let index = core.index.load(Relaxed);

        if !table
            .get(index)
            .is_some_and(|member| core::ptr::eq(member.core(), core))
        {
            return;
        }
        // INVARIANT: The last member takes the place of the one that goes.
        let last = table.len() - 1;
        table.swap(index, last);
        let gone = table.pop();
        if let Some(moved) = table.get(index) {
            moved.core().index.store(index, Relaxed);
        }

        // To drop the last reference drops what the thread has left, which must be free to lock.
        drop(table);
        drop(gone);
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
    /// and not by one of these threads. In particular it must not be passed to
    /// [`core::mem::forget`]. A group that is part of the value that [`kernel::Module::init`]
    /// returns satisfies this.
    pub unsafe fn new() -> Result<Self> {
        let members = Arc::pin_init(
            pin_init!(Members {
                table <- new_mutex!(KVVec::new()),
            }),
            GFP_KERNEL,
        )?;

        Ok(Self { members })
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
        self.members.table.lock().len()
    }

    /// Tells whether all threads of the group are gone.
    ///
    /// Sleeps.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stops all members, and returns once they are gone.
    ///
    /// All are asked before the first is waited for, so that this takes as long as the slowest.
    ///
    /// Sleeps.
    pub fn stop_all(&mut self) {
        might_sleep();

        let members = core::mem::take(&mut *self.members.table.lock());
        for member in &members {
            member.core().request_stop();
        }
        for member in members {
            packet::reap(&*member);
        }
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
