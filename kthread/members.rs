// SPDX-License-Identifier: GPL-2.0

//! What ends together: the members of a group or a scope, and the groups of a module.

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

/// Where a table holds an entry. Used under the lock of that table.
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

/// What a group can be made to stop: a thread, or something that has threads.
pub(super) trait Entry: Send + Sync {
    fn place(&self) -> &Place;

    /// Returns whether the caller is a thread that [`Entry::reap`] would wait for.
    fn is_current(&self) -> bool;

    /// Asks for what [`Entry::reap`] waits for, on behalf of someone who is about to call it.
    ///
    /// Does not wait for it.
    fn request_stop(&self);

    /// Returns once all threads are gone, and the table has let go of the entry.
    ///
    /// Whoever comes second waits for the first. Sleeps.
    fn reap(&self);

    /// Returns whether all threads have exited, of one that has said that it leaves.
    fn has_exited(&self) -> bool;

    /// Waits for the exit, of one that has said that it leaves.
    fn wait_exit(&self);

    /// Lets go of what the entry holds itself, after it has exited and left the table.
    fn gone(&self) {}

    /// Drops all that the threads have left.
    ///
    /// # Safety
    ///
    /// The entry must have been reaped, and nobody may use a handle of it at the same time.
    unsafe fn drop_contents(&self);
}

/// The entries of a group, those that leave first.
///
/// # Invariants
///
/// - The place of each entry is its index.
/// - The first `leaving` entries have called [`Members::leave`]: nobody waits for them before the
///   last.
struct Table {
    entries: KVVec<Arc<dyn Entry>>,
    leaving: usize,
    /// Whether it takes no more.
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

    /// Returns where `place` is, if its entry is still there.
    fn find(&self, place: &Place) -> Option<usize> {
        let index = place.get();

        self.entries
            .get(index)
            .is_some_and(|entry| core::ptr::eq(entry.place(), place))
            .then_some(index)
    }

    /// Exchanges two entries, the first of which does not come after the other.
    fn swap(&mut self, low: usize, high: usize) {
        // An index could panic. There is nothing to do if both are the same.
        if let Some((head, tail)) = self.entries.split_at_mut_checked(high) {
            if let (Some(one), Some(other)) = (head.get_mut(low), tail.first_mut()) {
                core::mem::swap(one, other);
                // INVARIANT: Both places follow.
                one.place().set(low);
                other.place().set(high);
            }
        }
    }

    /// Takes out the entry at `index`, which is there.
    fn take(&mut self, mut index: usize) -> Option<Arc<dyn Entry>> {
        if index < self.leaving {
            // INVARIANT: The last of those that leave takes its place.
            self.leaving -= 1;
            self.swap(index, self.leaving);
            index = self.leaving;
        }
        let last = self.entries.pop()?;

        match self.entries.get_mut(index) {
            // INVARIANT: The last of all takes its place.
            Some(slot) => {
                last.place().set(index);
                Some(core::mem::replace(slot, last))
            }
            None => Some(last),
        }
    }

    /// Takes out one of the entries that have exited by themselves, if one of the first few has.
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

/// The entries of a group that are not gone yet.
#[pin_data]
pub(super) struct Members {
    #[pin]
    table: Mutex<Table>,
    /// Whether what the threads have left has to be dropped, even if their handles have been
    /// leaked.
    drops_values: bool,
    /// How many of those that leave to look at.
    few: usize,
    /// Twice how many entries are being created, plus one once the table takes no more.
    creations: Atomic<usize>,
    /// That none is being created any more, after that.
    #[pin]
    settled: Completion,
    /// Where the table of a module holds this, as one of its groups.
    place: Place,
}

impl Members {
    pub(super) fn new(drops_values: bool) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                table <- new_mutex!(Table::new()),
                drops_values,
                // Threads exit soon, but those who leave together in any order.
                few: 4,
                creations: Atomic::new(0),
                settled <- Completion::new(),
                place: Place::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Those of a module, which are groups themselves.
    ///
    /// Their lock is taken before that of any group.
    pub(super) fn of_module() -> impl PinInit<Self> {
        pin_init!(Self {
            table <- new_mutex!(Table::new()),
            drops_values: false,
            // A group in which a thread has been left may stay for as long as the module.
            few: usize::MAX,
            creations: Atomic::new(0),
            settled <- Completion::new(),
            place: Place::new(),
        })
    }

    /// Adds an entry that has no task yet. It must have one, or have been removed again, when what
    /// this returns is dropped.
    ///
    /// Fails with [`ENODEV`] once these are closed.
    pub(super) fn insert(&self, entry: Arc<dyn Entry>) -> Result<Creation<'_>> {
        // ORDERING: proofs/litmus/close-count.litmus
        // ORDERING: proofs/litmus/close-create.litmus
        let mut table = self.table.lock();

        if table.closed {
            return Err(ENODEV);
        }
        // INVARIANT: The new entry goes to the end.
        entry.place().set(table.entries.len());
        table.entries.push(entry, GFP_KERNEL)?;
        self.creations.fetch_add(2, Relaxed);
        Ok(Creation(self))
    }

    /// Takes no more entries from now on, and asks all that there are to stop, unless one is being
    /// created: that has no task to ask yet. Returns whether these had been open.
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

    /// Lets go of an entry, which may not be there any more.
    pub(super) fn remove(&self, place: &Place) {
        let mut table = self.table.lock();
        let gone = table.find(place).and_then(|index| table.take(index));

        // To drop the last reference drops what the thread has left, which must be free to lock.
        drop(table);
        drop(gone);
    }

    /// Says that an entry is about to exit by itself, and that nobody waits for that.
    ///
    /// The last thing that a thread does. It can not let go of itself, as it still runs code of its
    /// module, so it lets go of others that have gone before. One that `has_value` which nobody has
    /// taken stays in a scope, which is to drop that.
    pub(super) fn leave(&self, place: &Place, has_value: bool) {
        // ORDERING: proofs/litmus/leave.litmus
        if self.drops_values && has_value {
            return;
        }
        let mut table = self.table.lock();

        if let Some(index) = table.find(place) {
            if index >= table.leaving {
                // INVARIANT: The entry comes after those that have left before.
                let leaving = table.leaving;
                table.swap(leaving, index);
                table.leaving += 1;
            }
        }
        let gone = table.take_exited(self.few);
        drop(table);
        if let Some(gone) = gone {
            gone.gone();
            self.drop_exited();
        }
    }

    /// Lets go of what has left and exited.
    pub(super) fn drop_exited(&self) {
        // ORDERING: proofs/litmus/leave.litmus
        loop {
            let Some(gone) = self.table.lock().take_exited(self.few) else {
                return;
            };

            gone.gone();
        }
    }

    /// Lets go of all that have exited, and of those that are about to once they have.
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

    /// Returns how many entries there are, with those that have exited.
    pub(super) fn count(&self) -> usize {
        self.table.lock().entries.len()
    }

    /// Stops all entries, except for one that the caller is a thread of.
    ///
    /// All are asked before the first is waited for. Nobody may insert entries meanwhile.
    pub(super) fn stop_all(&self) {
        // ORDERING: proofs/litmus/close-settled.litmus
        might_sleep();

        for entry in self.table.lock().entries.iter() {
            entry.request_stop();
        }
        while let Some(entry) = self.last_but_own() {
            entry.reap();
            // Someone else may have reaped it, who is about to do this.
            self.remove(entry.place());
        }
    }

    /// Takes no more entries from now on, and stops all, as [`Members::stop_all`] does.
    ///
    /// Two kinds of caller only ask: a callback of per-CPU threads, for which those may wait that
    /// create something; and a member, if somebody else has closed these, who may wait for it.
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

    /// Takes all entries out of the table, and its memory.
    pub(super) fn take_all(&self) -> KVVec<Arc<dyn Entry>> {
        let mut table = self.table.lock();

        // INVARIANT: There are no entries.
        table.leaving = 0;
        core::mem::take(&mut table.entries)
    }

    /// Like [`Members::stop_all`], and drops all that the threads have left.
    ///
    /// # Safety
    ///
    /// The caller is none of the threads, and from when all are gone nobody uses a handle of them.
    pub(super) unsafe fn stop_and_clear(&self) {
        might_sleep();

        // This holds them from here on, until they have exited.
        let entries = self.take_all();

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

/// That an entry is being created, which nobody stops before this is dropped.
#[must_use]
pub(super) struct Creation<'a>(&'a Members);

impl Drop for Creation<'_> {
    fn drop(&mut self) {
        // ORDERING: proofs/litmus/close-count.litmus
        // ORDERING: proofs/litmus/close-create.litmus
        // ORDERING: proofs/litmus/close-settled.litmus
        // Whoever waits sees all that the creation has done.
        if self.0.creations.fetch_sub(2, Release) == 3 {
            self.0.settled.complete_all();
        }
    }
}

impl Entry for Members {
    fn place(&self) -> &Place {
        &self.place
    }

    /// Returns false: a module is unloaded by none of its threads.
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
        // Each entry has a reference to these, so that none would ever be dropped.
        drop(self.take_all());
    }

    unsafe fn drop_contents(&self) {
        // Only a scope drops what its threads have left, and it has no groups.
    }
}
