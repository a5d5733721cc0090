// SPDX-License-Identifier: GPL-2.0

//! Debugfs files that pin their module while they are open.
//!
//! [`kernel::debugfs`] leaves the owner of its file operations empty. A file that is still open
//! when its module is removed is then released through freed operations. It also does not report
//! directories and files that could not be created. This module provides the little that the demo
//! needs, with an owner and with errors.
//!
//! Everything that a module has in debugfs is below one [`Root`]. The module promises to drop that;
//! the rest is safe. [`Dir`] and [`File`] are handles, which can be dropped early, kept, or leaked.
//!
//! For what is left to the kernel, see "Files that are gone" in `docs/debugfs.md`.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

// A module only compiles in what it uses.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod operations;
mod tree;

use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    uaccess::UserSliceReader, //
};
use operations::{
    Private,
    ReadOnly,
    ReadWrite, //
};
use tree::{
    Entry,
    Tree, //
};

/// A directory at the root of debugfs.
///
/// Dropping this removes it with its contents.
///
/// Dropping waits for reads and writes in progress, so none of them may do it. It drops the data of
/// all files.
pub struct Root {
    dir: Arc<Dir>,
}

impl Root {
    /// Creates the directory.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// The root must be dropped before the text of this module is freed, whether that is unloaded
    /// or its load fails. In particular it must not be leaked. A root that is a field of the value
    /// that [`kernel::Module::init`] returns satisfies this, while a root in an [`Arc`] does only
    /// if nobody keeps a reference.
    pub unsafe fn new(name: &CStr) -> Result<Self> {
        let tree = Tree::new(name)?;
        let entry = tree.root();
        let dir = Arc::new(
            Dir {
                entry,
                tree: tree.clone(),
                parent: None,
            },
            GFP_KERNEL,
        );

        Ok(Self {
            dir: dir.inspect_err(|_| tree.end())?,
        })
    }

    /// Returns the directory, to create directories and files in it.
    pub fn dir(&self) -> &Arc<Dir> {
        &self.dir
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.dir.tree.end();
    }
}

/// A directory of debugfs below a [`Root`].
///
/// It is removed when it and everything created in it have been dropped, or with the root. After
/// that nothing can be created in it.
///
/// # Invariants
///
/// The entry is a directory of the tree. It is valid until the tree ends, or, if it has a parent,
/// until this is dropped.
pub struct Dir {
    entry: Entry,
    tree: Arc<Tree>,
    // `None` for the directory of the root.
    parent: Option<Arc<Dir>>,
}

impl Dir {
    /// Creates a directory in `parent`.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`], and [`ENOENT`] if the root is gone.
    pub fn new(name: &CStr, parent: &Arc<Dir>) -> Result<Arc<Self>> {
        let busy = parent.tree.enter().ok_or(ENOENT)?;
        // SAFETY: By its type invariants the parent is valid while this is busy.
        let entry = unsafe { busy.new_dir(name, parent.entry)? };

        // INVARIANT: The directory was just created.
        Ok(Arc::new(
            Self {
                entry,
                tree: parent.tree.clone(),
                parent: Some(parent.clone()),
            },
            GFP_KERNEL,
        )?)
    }

    /// Removes the directory and returns its parent.
    ///
    /// Does nothing if it has been removed, or is the directory of the root.
    ///
    /// The handle is no longer used.
    fn remove(&mut self) -> Option<Arc<Dir>> {
        let parent = self.parent.take()?;

        // If the root is gone, so is this.
        if let Some(busy) = self.tree.enter() {
            // SAFETY: By the type invariants it is valid, and nobody else removes it. Each entry
            // created in it has a reference to this, and this is the last reference.
            unsafe { busy.remove_dir(self.entry) };
        }
        Some(parent)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let mut next = self.remove();

        // This is a loop, as a recursion over all parents may not fit on the stack.
        while let Some(mut parent) = next.and_then(Arc::into_unique_or_drop) {
            next = parent.remove();
        }
    }
}

/// The contents that a read of a file shows.
pub trait Show: 'static {
    /// The data of the file.
    type Data: Send + Sync + 'static;

    /// Writes the contents of the file.
    ///
    /// One read may call this several times, with larger buffers.
    fn show(data: &Self::Data, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// The effect of a write to a file.
pub trait Store: Show {
    /// Receives the data of one call of `write(2)`.
    fn store(data: &Self::Data, reader: UserSliceReader) -> Result;
}

/// A file of debugfs, which is removed when this is dropped, or with the [`Root`].
///
/// If this is leaked, the file and its data stay until the root goes.
///
/// It can be opened once the module has been loaded: while that may still fail, an open file would
/// outlive the module.
///
/// Dropping waits for reads and writes in progress, so none of them may do it.
#[must_use = "the file is removed when this is dropped"]
pub struct File {
    id: u64,
    dir: Arc<Dir>,
}

impl File {
    /// Creates a file with mode 0400.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`], and [`ENOENT`] if the root is gone.
    pub fn read_only<F: Show>(name: &CStr, dir: &Arc<Dir>, data: Arc<F::Data>) -> Result<Self> {
        let contents = KBox::new(ReadOnly::<F>(data), GFP_KERNEL)?;

        Self::new(name, dir, contents, false)
    }

    /// Creates a file with mode 0600.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`], and [`ENOENT`] if the root is gone.
    pub fn read_write<F: Store>(name: &CStr, dir: &Arc<Dir>, data: Arc<F::Data>) -> Result<Self> {
        let contents = KBox::new(ReadWrite::<F>(data), GFP_KERNEL)?;

        Self::new(name, dir, contents, true)
    }

    fn new(name: &CStr, dir: &Arc<Dir>, contents: Private, writable: bool) -> Result<Self> {
        let busy = dir.tree.enter().ok_or(ENOENT)?;
        // SAFETY: By its type invariants the directory is valid while this is busy.
        let id = unsafe { busy.new_file(name, dir.entry, contents, writable)? };

        Ok(Self {
            id,
            dir: dir.clone(),
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.dir.tree.remove_file(self.id);
    }
}
