// SPDX-License-Identifier: GPL-2.0

//! All that one owner has in debugfs, and what keeps it from outliving that owner.

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

/// An entry of debugfs. Nothing is promised about how long it is there.
#[derive(Clone, Copy)]
pub(super) struct Entry(*mut bindings::dentry);

// SAFETY: A dentry belongs to no task.
unsafe impl Send for Entry {}

// SAFETY: `&Entry` gives no access but the pointer, and debugfs locks what it does with that.
unsafe impl Sync for Entry {}

impl Entry {
    /// What debugfs takes for its own root.
    pub(super) const TOP: Self = Self(core::ptr::null_mut());

    /// Makes a directory.
    ///
    /// # Safety
    ///
    /// `parent` must be [`Entry::TOP`], or a directory that is there during this call.
    pub(super) unsafe fn new_dir(name: &CStr, parent: Entry) -> Result<Self> {
        // SAFETY: `name` is a C string, and by the requirements of this function the parent is one.
        let dentry =
            from_err_ptr(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent.0) })?;

        Ok(Self(dentry))
    }

    /// Removes the entry with all that is below it, once all reads and writes of it have ended.
    ///
    /// # Safety
    ///
    /// The entry is there, and nobody else removes it or what it is in.
    pub(super) unsafe fn remove(self) {
        // SAFETY: By the requirements of this function.
        unsafe { bindings::debugfs_remove(self.0) }
    }

    /// Removes a file, and tells whether someone else still has a reference to its dentry.
    ///
    /// Who has none when this returns never gets one.
    ///
    /// # Safety
    ///
    /// As for [`Entry::remove`]. What the file is in is there until this returns.
    unsafe fn remove_file(self) -> bool {
        // SAFETY: By the requirements of this function the dentry is valid, with the reference that
        // debugfs has until the removal, and from here on with that of its own, which ends before
        // the file system may.
        unsafe {
            let lockref = &raw mut (*self.0).d_lockref;

            bindings::lockref_get(lockref);
            self.remove();
            // The removal has unhashed it, so that nobody finds it any more. Whoever found it
            // before that has taken a reference by now, or will be told that what it found has
            // changed.
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
    // The inode points to it. It is dropped after the file has been removed.
    _contents: KBox<Private>,
}

/// What changes in a tree.
struct State {
    /// The root is being removed, or has been. From then on nobody else touches an entry.
    gone: bool,
    /// How many are making or removing an entry.
    busy: usize,
    next_id: u64,
    /// The files that have not been removed.
    nodes: RBTree<u64, Node>,
}

/// A directory at the root of debugfs, and all that is in it.
///
/// Files belong to the tree and not to those who hold a handle, which has a number that is never
/// given to another file. So it makes no difference for the end of the tree what has become of the
/// handles.
///
/// # Invariants
///
/// - `root` is there until `gone` is set, `busy` is zero, and [`Tree::end`] removes it.
/// - The entries of `nodes` are there, and nobody removes them who has not taken them out before.
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
    /// Makes the directory.
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

    /// Keeps the end of the tree waiting, unless it has come.
    pub(super) fn enter(&self) -> Option<Busy<'_>> {
        let mut state = self.state.lock();

        if state.gone {
            return None;
        }
        state.busy += 1;
        Some(Busy { tree: self })
    }

    /// Removes a file, once all reads and writes of it have ended, and drops its contents.
    ///
    /// Does nothing after the end of the tree, which does that for all.
    pub(super) fn remove_file(&self, id: u64) {
        let Some(busy) = self.enter() else {
            return;
        };
        let Some(node) = self.state.lock().nodes.remove(&id) else {
            return;
        };

        // SAFETY: By the type invariants the file is there, and it has been taken out. The root is
        // there as long as this is busy.
        if unsafe { node.entry.remove_file() } {
            self.operations.keep();
        }
        // The contents may own whoever ends the tree.
        drop(busy);
        drop(node);
    }

    /// Removes all entries, and drops the contents of all files. The second time it does nothing.
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
            // SAFETY: By the type invariants the file is there, and has been taken out. The root
            // goes last.
            if unsafe { node.entry.remove_file() } {
                self.operations.keep();
            }
        }
        // SAFETY: By the type invariants it is there. Nobody else removes any entry, as the tree is
        // gone for them and nobody is busy.
        unsafe { self.root.remove() };
        drop(nodes);
    }
}

/// Someone makes or removes an entry of a tree, which does not end meanwhile.
pub(super) struct Busy<'a> {
    tree: &'a Tree,
}

impl Busy<'_> {
    /// Makes a file.
    ///
    /// # Safety
    ///
    /// `parent` must be a directory of the tree that is there during this call.
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
        // - `name` is a C string, and by the requirements of this function `parent` is there.
        // - `contents` are what the operations expect, and outlive the file by the invariants of
        //   the tree.
        // - The operations outlive all who have a reference to the file.
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
        // INVARIANT: The file was made just now.
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
        if state.gone && state.busy == 0 {
            self.tree.idle.notify_all();
        }
    }
}
