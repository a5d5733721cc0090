// SPDX-License-Identifier: GPL-2.0

//! The entries of one owner in debugfs, which end with the owner.

use super::operations::{
    Operations,
    Private, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    new_condvar,
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        Arc,
        CondVar,
        Mutex, //
    }, //
};

/// An entry of debugfs.
///
/// It has no lifetime guarantee.
#[derive(Clone, Copy)]
pub(super) struct Entry(*mut bindings::dentry);

// SAFETY: A dentry belongs to no task.
unsafe impl Send for Entry {}

// SAFETY: `&Entry` only gives access to the pointer, and debugfs does its own locking.
unsafe impl Sync for Entry {}

impl Entry {
    /// The value that debugfs takes for its own root.
    const TOP: Self = Self(core::ptr::null_mut());

    /// Creates a directory.
    ///
    /// # Safety
    ///
    /// `parent` must be [`Entry::TOP`], or a directory that is valid during this call.
    unsafe fn new_dir(name: &CStr, parent: Entry) -> Result<Self> {
        // SAFETY: `name` is a C string, and the caller guarantees a valid parent.
        let dentry =
            from_err_ptr(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent.0) })?;

        Ok(Self(dentry))
    }

    /// Removes the entry with everything below it, after all reads and writes of it have ended.
    ///
    /// # Safety
    ///
    /// The entry must be valid, and nobody else may remove it or its parents.
    unsafe fn remove(self) {
        // SAFETY: The caller guarantees that the entry is valid, and removed by nobody else.
        unsafe { bindings::debugfs_remove(self.0) }
    }

    /// Removes a file, and returns whether someone else still has a reference to its dentry.
    ///
    /// Nobody can get a new reference after this returns.
    ///
    /// # Safety
    ///
    /// The requirements of [`Entry::remove`]. The parents of the file must be valid until this
    /// returns.
    unsafe fn remove_file(self) -> bool {
        // SAFETY: The caller guarantees a valid dentry, which debugfs references until the removal.
        // From here on this has its own reference, which ends before the file system can.
        unsafe {
            let lockref = &raw mut (*self.0).d_lockref;

            bindings::lockref_get(lockref);
            self.remove();
            // The removal has unhashed it, so nobody finds it any more. A lookup that found it
            // earlier either has a reference by now, or detects the change.
            let count = &raw const (*lockref).__bindgen_anon_1.__bindgen_anon_1.count;
            let is_held = count.read_volatile() > 1;
            bindings::dput(self.0);
            is_held
        }
    }
}

/// A file of a tree.
struct Node {
    entry: Entry,
    // The inode points to this. It is dropped after the file has been removed.
    _contents: KBox<Private>,
}

/// The part of a tree that changes.
struct State {
    /// The root is being removed, or has been.
    ///
    /// From then on nobody else accesses an entry.
    gone: bool,
    /// The number of tasks that create or remove an entry.
    busy: usize,
    next_id: u64,
    /// The files that have not been removed.
    nodes: RBTree<u64, Node>,
}

/// A directory at the root of debugfs, with its contents.
///
/// Files belong to the tree, and not to the holders of a handle, which has a number that is never
/// reused. So leaked handles do not affect the end of the tree.
///
/// # Invariants
///
/// - `root` is valid until `gone` is set, `busy` is zero, and [`Tree::end`] removes it.
/// - The entries of `nodes` are valid. A file must be taken out of `nodes` before it is removed.
#[pin_data]
pub(super) struct Tree {
    root: Entry,
    operations: Operations,
    #[pin]
    state: Mutex<State>,
    #[pin]
    idle: CondVar,
}

impl Tree {
    /// Creates the directory.
    pub(super) fn new(name: &CStr) -> Result<Arc<Self>> {
        let operations = Operations::new()?;
        Arc::pin_init(
            pin_init!(Self {
                // SAFETY: This is at the root of debugfs.
                root: unsafe { Entry::new_dir(name, Entry::TOP)? },
                operations,
                state <- new_mutex!(State {
                    gone: false,
                    busy: 0,
                    next_id: 0,
                    nodes: RBTree::new(),
                }),
                idle <- new_condvar!(),
            }? Error),
            GFP_KERNEL,
        )
    }

    pub(super) fn root(&self) -> Entry {
        self.root
    }

    /// Delays the end of the tree, unless it has come.
    pub(super) fn enter(&self) -> Option<Busy<'_>> {
        let mut state = self.state.lock();

        if state.gone {
            return None;
        }
        state.busy += 1;
        Some(Busy { tree: self })
    }

    /// Removes a file, after all reads and writes of it have ended, and drops its contents.
    ///
    /// Does nothing after the end of the tree, which removes all files.
    pub(super) fn remove_file(&self, id: u64) {
        let Some(busy) = self.enter() else {
            return;
        };
        let Some(node) = self.state.lock().nodes.remove(&id) else {
            return;
        };

        // SAFETY: By the type invariants the file is valid, and it has been taken out. The root is
        // valid while this is busy.
        if unsafe { node.entry.remove_file() } {
            self.operations.keep();
        }
        // The contents, which go with `node` after this, may own the object whose drop ends the
        // tree.
        drop(busy);
    }

    /// Removes all entries, and drops the contents of all files.
    ///
    /// A second call does nothing.
    ///
    /// Waits for reads and writes of all files.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();

        if core::mem::replace(&mut state.gone, true) {
            return;
        }
        while state.busy > 0 {
            self.idle.wait(&mut state);
        }
        let nodes = core::mem::take(&mut state.nodes);
        drop(state);

        for node in nodes.values() {
            // SAFETY: By the type invariants the file is valid, and has been taken out. The root is
            // removed last.
            if unsafe { node.entry.remove_file() } {
                self.operations.keep();
            }
        }
        // SAFETY: By the type invariants it is valid. Nobody else removes any entry, as `gone` is
        // set and nobody is busy.
        unsafe { self.root.remove() };
        drop(nodes);
    }
}

/// Marks the creation or removal of an entry, during which the tree does not end.
pub(super) struct Busy<'a> {
    tree: &'a Tree,
}

impl Busy<'_> {
    /// Creates a directory.
    ///
    /// # Safety
    ///
    /// `parent` must be a directory of the tree that is valid during this call.
    pub(super) unsafe fn new_dir(&self, name: &CStr, parent: Entry) -> Result<Entry> {
        // SAFETY: The caller guarantees a valid parent.
        unsafe { Entry::new_dir(name, parent) }
    }

    /// Removes a directory with everything below it, after all reads and writes of it have ended.
    ///
    /// # Safety
    ///
    /// `dir` must be a directory of the tree that is valid, and nobody else may remove it.
    pub(super) unsafe fn remove_dir(&self, dir: Entry) {
        // SAFETY: The caller guarantees a valid directory that nobody else removes. Nobody removes
        // its parents while this is busy.
        unsafe { dir.remove() }
    }

    /// Creates a file.
    ///
    /// # Safety
    ///
    /// `parent` must be a directory of the tree that is valid during this call.
    pub(super) unsafe fn new_file(
        &self,
        name: &CStr,
        parent: Entry,
        contents: Private,
        writable: bool,
    ) -> Result<u64> {
        let contents = KBox::new(contents, GFP_KERNEL)?;
        let reservation = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let (mode, operations) = if writable {
            (0o600, self.tree.operations.read_write())
        } else {
            (0o400, self.tree.operations.read_only())
        };

        // SAFETY:
        // - `name` is a C string, and the caller guarantees that `parent` is valid.
        // - `contents` have the type that the operations expect, and outlive the file by the
        //   invariants of the tree.
        // - The operations outlive all references to the file.
        let dentry = from_err_ptr(unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                parent.0,
                (&raw const *contents).cast_mut().cast(),
                core::ptr::null(),
                operations,
            )
        })?;

        let mut state = self.tree.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        // INVARIANT: The file was just created.
        state.nodes.insert(reservation.into_node(
            id,
            Node {
                entry: Entry(dentry),
                _contents: contents,
            },
        ));
        Ok(id)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.tree.state.lock();

        state.busy -= 1;
        self.tree.idle.notify_all();
    }
}
