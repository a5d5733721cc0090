// SPDX-License-Identifier: GPL-2.0

//! Things that end together: the members of a group or a scope, and the groups of a module.

use super::{
    completion::Completion,
    ffi::{
        read_once,
        write_once, //
    },
    hotplug::is_percpu_thread, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    task::might_sleep, //
};

/// The index of an entry in its table.
///
/// Accessed under the lock of that table.
pub(super) struct Place(Atomic<usize>);

impl Place {
    pub(super) fn new() -> Self {
        Self(Atomic::new(usize::MAX))
    }

    fn get(&self) -> usize {
        read_once(&self.0)
    }

    fn set(&self, index: usize) {
        write_once(&self.0, index);
    }
}

/// A member that a group can stop: a thread, or an object that has threads.
pub(super) trait Entry: Send + Sync {
    fn place(&self) -> &Place;

    /// Returns whether the caller is a thread that [`Entry::reap`] would wait for.
    fn is_current(&self) -> bool;

    /// Makes the request that [`Entry::reap`] waits for, on behalf of a caller that is about to
    /// call it.
    ///
    /// Does not wait.
    fn request_stop(&self);

    /// Returns once all threads are gone, and the table has dropped the entry.
    ///
    /// A second caller waits for the first. Sleeps.
    fn reap(&self);

    /// Returns whether all threads have exited, of an entry that is leaving.
    fn has_exited(&self) -> bool;

    /// Waits for the exit of an entry that is leaving.
    fn wait_exit(&self);

    /// Drops what the entry itself holds, after it has exited and left the table.
    fn gone(&self) {}

    /// Drops the values of the threads.
    ///
    /// # Safety
    ///
    /// The entry must have been reaped, and nobody may use a handle of it during this call.
    unsafe fn drop_contents(&self);
}

/// The entries of a group.
///
/// Those that are leaving come first.
///
/// # Invariants
///
/// - The `Place` of each entry is its index.
/// - The first `leaving` entries have called [`Members::leave`]: nobody but the last caller waits
///   for them.
struct Table {
    entries: KVVec<Arc<dyn Entry>>,
    leaving: usize,
    /// Whether it refuses new entries.
    closed: bool,
}

impl Table {
    fn new() -> Self {
        // INVARIANT: There are no entries.
        Self {
            entries: KVVec::new(),
            leaving: 0,
            closed: false,
        }
    }

    /// Returns the index of `place`, if its entry is still in the table.
    fn find(&self, place: &Place) -> Option<usize> {
        let index = place.get();

        self.entries
            .get(index)
            .is_some_and(|entry| core::ptr::eq(entry.place(), place))
            .then_some(index)
    }

    /// Swaps two entries.
    ///
    /// The first index must not be greater than the second.
    fn swap(&mut self, low: usize, high: usize) {
        // Indexing could panic. If both are the same, there is nothing to do.
        if let Some((head, tail)) = self.entries.split_at_mut_checked(high) {
            if let (Some(one), Some(other)) = (head.get_mut(low), tail.first_mut()) {
                core::mem::swap(one, other);
                // INVARIANT: Both places are updated.
                one.place().set(low);
                other.place().set(high);
            }
        }
    }

    /// Removes the entry at `index`, which must exist.
    fn take(&mut self, mut index: usize) -> Option<Arc<dyn Entry>> {
        if index < self.leaving {
            // INVARIANT: The last entry that is leaving takes its place.
            self.leaving -= 1;
            self.swap(index, self.leaving);
            index = self.leaving;
        }
        let last = self.entries.pop()?;

        match self.entries.get_mut(index) {
            // INVARIANT: The last entry takes its place.
            Some(slot) => {
                last.place().set(index);
                Some(core::mem::replace(slot, last))
            }
            None => Some(last),
        }
    }

    /// Removes an entry that has exited by itself, if there is one among the first few.
    fn take_exited(&mut self, few: usize) -> Option<Arc<dyn Entry>> {
        // ORDERING: proofs/litmus/leave.litmus
        let index = self
            .entries
            .iter()
            .take(self.leaving.min(few))
            .position(|entry| entry.has_exited())?;

        self.take(index)
    }
}

/// The entries of a group that have not been removed yet.
#[pin_data]
pub(super) struct Members {
    #[pin]
    table: Mutex<Table>,
    /// Whether the values of the threads have to be dropped even if their handles have been leaked.
    drops_values: bool,
    /// How many of the entries that are leaving to look at.
    few: usize,
    /// Twice the number of entries that are being created, plus one once the table is closed.
    creations: Atomic<usize>,
    /// Completed when no entry is being created any more after that.
    #[pin]
    settled: Completion,
    /// The index of this in the table of a module, as one of its groups.
    place: Place,
}

impl Members {
    pub(super) fn new(drops_values: bool) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                table <- new_mutex!(Table::new()),
                drops_values,
                // Threads that are leaving exit soon, but in any order.
                few: 4,
                creations: Atomic::new(0),
                settled <- Completion::new(),
                place: Place::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The entries of a module, which are groups.
    ///
    /// This lock is taken before that of any group.
    pub(super) fn of_module() -> impl PinInit<Self> {
        pin_init!(Self {
            table <- new_mutex!(Table::new()),
            drops_values: false,
            // A group in which a thread remains may stay as long as the module.
            few: usize::MAX,
            creations: Atomic::new(0),
            settled <- Completion::new(),
            place: Place::new(),
        })
    }

    /// Adds an entry that has no task yet.
    ///
    /// Before the returned `Creation` is dropped, it must have got one or been removed.
    ///
    /// Fails with [`ENODEV`] once the table is closed.
    pub(super) fn insert(&self, entry: Arc<dyn Entry>) -> Result<Creation<'_>> {
        // ORDERING: proofs/litmus/close-count.litmus
        // ORDERING: proofs/litmus/close-create.litmus
        let mut table = self.table.lock();

        if table.closed {
            return Err(ENODEV);
        }
        // INVARIANT: The new entry is the last one.
        entry.place().set(table.entries.len());
        table.entries.push(entry, GFP_KERNEL)?;
        self.creations.fetch_add(2, Relaxed);
        Ok(Creation(self))
    }

    /// Refuses new entries from now on, and asks all members to stop, unless one is being created,
    /// which has no task to ask yet.
    ///
    /// Returns whether the table was open.
    ///
    /// Does not wait.
    fn refuse_more(&self) -> bool {
        // ORDERING: proofs/litmus/close-count.litmus
        // ORDERING: proofs/litmus/close-create.litmus
        let mut table = self.table.lock();
        let were_open = !table.closed;

        if were_open {
            table.closed = true;
            self.creations.fetch_add(1, Relaxed);
        }
        if self.creations.load(Acquire) <= 1 {
            for entry in table.entries.iter() {
                entry.request_stop();
            }
        }
        were_open
    }

    /// Removes an entry, which may already have been removed.
    pub(super) fn remove(&self, place: &Place) {
        let mut table = self.table.lock();
        let gone = table.find(place).and_then(|index| table.take(index));

        // Dropping the last reference drops the value of the thread, which may take locks.
        drop(table);
        drop(gone);
    }

    /// Records that an entry is about to exit by itself, and that nobody waits for it.
    ///
    /// This is the last thing that a thread does. It cannot remove itself, as it still runs code of
    /// its module, so it removes others that have exited before. An entry that `has_value` stays in
    /// a scope, which drops the value.
    pub(super) fn leave(&self, place: &Place, has_value: bool) {
        // ORDERING: proofs/litmus/leave.litmus
        if self.drops_values && has_value {
            return;
        }
        let mut table = self.table.lock();

        if let Some(index) = table.find(place) {
            // INVARIANT: The entry, which leaves once, follows those that were already leaving.
            let leaving = table.leaving;
            table.swap(leaving, index);
            table.leaving += 1;
        }
        let gone = table.take_exited(self.few);
        drop(table);
        if let Some(gone) = gone {
            gone.gone();
            self.drop_exited();
        }
    }

    /// Removes the entries that have left and exited.
    pub(super) fn drop_exited(&self) {
        // ORDERING: proofs/litmus/leave.litmus
        loop {
            let Some(gone) = self.table.lock().take_exited(self.few) else {
                return;
            };

            gone.gone();
        }
    }

    /// Removes all entries that have exited, and waits for and removes those that are leaving.
    ///
    /// Sleeps.
    fn collect(&self) {
        loop {
            let table = self.table.lock();
            let first = match table.leaving {
                0 => None,
                _ => table.entries.first().cloned(),
            };

            drop(table);
            let Some(first) = first else { return };
            first.wait_exit();
            self.remove(first.place());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.collect();
        self.count()
    }

    /// Returns the number of entries, including those that have exited.
    pub(super) fn count(&self) -> usize {
        self.table.lock().entries.len()
    }

    /// Returns for how many entries the table has memory.
    #[cfg(kthread_kunit)]
    pub(super) fn capacity(&self) -> usize {
        self.table.lock().entries.capacity()
    }

    /// Stops all entries, except one that the caller is a thread of.
    ///
    /// All are asked before the first is waited for. Nobody may insert entries during this call.
    pub(super) fn stop_all(&self) {
        // ORDERING: proofs/litmus/close-settled.litmus
        might_sleep();

        for entry in self.table.lock().entries.iter() {
            entry.request_stop();
        }
        while let Some(entry) = self.last_but_own() {
            entry.reap();
            // Another task may have reaped it and be about to remove it.
            self.remove(entry.place());
        }
    }

    /// Refuses new entries from now on, and stops all, as [`Members::stop_all`] does.
    ///
    /// Two kinds of caller only ask: a callback of per-CPU threads, because a creator may wait for
    /// it; and a member of a table that was closed before, because the caller that closed it may
    /// wait for the member.
    pub(super) fn close(&self) {
        // ORDERING: proofs/litmus/close-create.litmus
        // ORDERING: proofs/litmus/close-settled.litmus
        might_sleep();

        let were_open = self.refuse_more();
        if is_percpu_thread() || !were_open && self.has_current() {
            return;
        }
        if self.creations.load(Acquire) > 1 {
            self.settled.wait_for_completion();
        }
        self.stop_all();
    }

    fn has_current(&self) -> bool {
        self.table
            .lock()
            .entries
            .iter()
            .any(|entry| entry.is_current())
    }

    fn last_but_own(&self) -> Option<Arc<dyn Entry>> {
        let table = self.table.lock();

        table
            .entries
            .iter()
            .rev()
            .find(|entry| !entry.is_current())
            .cloned()
    }

    /// Removes all entries, and the memory of the table.
    pub(super) fn take_all(&self) -> KVVec<Arc<dyn Entry>> {
        let mut table = self.table.lock();

        // INVARIANT: There are no entries.
        table.leaving = 0;
        core::mem::take(&mut table.entries)
    }

    /// Stops all entries as [`Members::stop_all`] does, and drops the values of the threads.
    ///
    /// # Safety
    ///
    /// The caller must not be one of the threads. Once all are gone, nobody may use a handle of
    /// them.
    pub(super) unsafe fn stop_and_clear(&self) {
        might_sleep();

        // This holds the entries until they have exited.
        let entries = self.take_all();

        for entry in &entries {
            entry.request_stop();
        }
        for entry in &entries {
            entry.reap();
        }
        for entry in &entries {
            // SAFETY: All entries have been reaped, and the caller guarantees that nobody uses a
            // handle any more.
            unsafe { entry.drop_contents() };
        }
    }
}

/// An entry that is being created, which nobody stops before this is dropped.
#[must_use]
pub(super) struct Creation<'a>(&'a Members);

impl Drop for Creation<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        // ORDERING: proofs/litmus/close-count.litmus
        // ORDERING: proofs/litmus/close-create.litmus
        // ORDERING: proofs/litmus/close-settled.litmus
        // The waiter sees everything that the creation has done.
        if self.0.creations.fetch_sub(2, Release) == 3 {
            self.0.settled.complete_all();
        }
    }
}

impl Entry for Members {
    fn place(&self) -> &Place {
        &self.place
    }

    /// Returns false: none of its threads unloads a module.
    fn is_current(&self) -> bool {
        false
    }

    fn request_stop(&self) {
        self.refuse_more();
    }

    fn reap(&self) {
        self.close();
    }

    fn has_exited(&self) -> bool {
        self.table
            .lock()
            .entries
            .iter()
            .all(|entry| entry.has_exited())
    }

    fn wait_exit(&self) {
        self.collect();
    }

    fn gone(&self) {
        // Each entry has a reference to this table, so neither would ever be dropped.
        drop(self.take_all());
    }

    unsafe fn drop_contents(&self) {
        // Only a scope drops the values of its threads, and it has no groups.
    }
}
