// SPDX-License-Identifier: GPL-2.0

//! Debugfs files that pin their module while they are open.
//!
//! [`kernel::debugfs`] leaves the owner of its file operations empty. A file of a module that is
//! still open when the module is removed is then released through operations that have been freed.
//! It also keeps silent about directories and files that could not be made. This module does the
//! little that the demo needs, with an owner and with errors.
//!
//! All that a module has in debugfs is below one [`Root`]. The module promises to drop that; all
//! else is safe. [`Dir`] and [`File`] are handles, which can be dropped early, kept for as long as
//! one likes, or leaked.
//!
//! What is left to the kernel: see "Files that are gone" in `docs/debugfs.md`.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

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

/// A directory at the root of debugfs, which is removed with all that is in it when this is
/// dropped.
///
/// Dropping waits for reads and writes that are under way, so it must not be done by one of them.
/// It drops the data of all files that there are.
pub struct Root {
    dir: Arc<Dir>,
}

impl Root {
    /// Makes the directory.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// The root must be dropped before the text of this module is freed, whether that is unloaded
    /// or its load fails. In particular it must not be passed to [`core::mem::forget`]. A root that
    /// is a field of the value that [`kernel::Module::init`] returns satisfies this, while one
    /// behind an
    /// [`Arc`] does only if nobody keeps a reference.
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

    /// Returns the directory, to make others and files in it.
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
/// It is removed when it and all that was made in it have been dropped, or with the root. After
/// that nothing can be made in it any more.
///
/// # Invariants
///
/// The entry is a directory of the tree. It is there until the tree ends, or until this is dropped
/// if it has a parent.
pub struct Dir {
    entry: Entry,
    tree: Arc<Tree>,
    // `None` for the directory of the root.
    parent: Option<Arc<Dir>>,
}

impl Dir {
    /// Makes a directory in `parent`.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`], and [`ENOENT`] if the root is gone.
    pub fn new(name: &CStr, parent: &Arc<Dir>) -> Result<Arc<Self>> {
        let _busy = parent.tree.enter().ok_or(ENOENT)?;
        // SAFETY: By its type invariants the parent is there, as long as this is busy.
        let entry = unsafe { Entry::new_dir(name, parent.entry)? };

        // INVARIANT: The directory was made just now.
        Ok(Arc::new(
            Self {
                entry,
                tree: parent.tree.clone(),
                parent: Some(parent.clone()),
            },
            GFP_KERNEL,
        )?)
    }

    /// Removes the directory and returns its parent. Does nothing if that has been done, or if this
    /// is the directory of the root.
    ///
    /// This is the end of its use.
    fn remove(&mut self) -> Option<Arc<Dir>> {
        let parent = self.parent.take()?;

        // If the root is gone, so is this.
        if let Some(_busy) = self.tree.enter() {
            // SAFETY: By the type invariants it is there, and nobody else removes it. All that was
            // made in it and is still there has a reference to this, which is the last.
            unsafe { self.entry.remove() };
        }
        Some(parent)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let mut next = self.remove();

        // One after the other: there may be more above each other than fit on the stack.
        while let Some(mut parent) = next.and_then(Arc::into_unique_or_drop) {
            next = parent.remove();
        }
    }
}

/// What a read of a file shows.
pub trait Show: 'static {
    /// What the file is about.
    type Data: Send + Sync + 'static;

    /// Writes the contents of the file.
    ///
    /// May be called again, with a larger buffer, in the course of one read.
    fn show(data: &Self::Data, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What a write to a file does.
pub trait Store: Show {
    /// Takes what one call of `write(2)` wrote.
    fn store(data: &Self::Data, reader: UserSliceReader) -> Result;
}

/// A file of debugfs, which is removed when this is dropped, or with the [`Root`].
///
/// If this is leaked, the file and its data stay until the root goes.
///
/// It can be opened once the module has been loaded: while that may still fail, an open file would
/// outlive the module.
///
/// Dropping waits for reads and writes that are under way, so it must not be done by one of them.
#[must_use = "the file is removed when this is dropped"]
pub struct File {
    id: u64,
    dir: Arc<Dir>,
}

impl File {
    /// Makes a file with mode 0400.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`], and [`ENOENT`] if the root is gone.
    pub fn read_only<F: Show>(name: &CStr, dir: &Arc<Dir>, data: Arc<F::Data>) -> Result<Self> {
        let contents = KBox::new(ReadOnly::<F>(data), GFP_KERNEL)?;

        Self::new(name, dir, contents, false)
    }

    /// Makes a file with mode 0600.
    ///
    /// Sleeps. Fails with [`EEXIST`], [`ENOMEM`], and [`ENOENT`] if the root is gone.
    pub fn read_write<F: Store>(name: &CStr, dir: &Arc<Dir>, data: Arc<F::Data>) -> Result<Self> {
        let contents = KBox::new(ReadWrite::<F>(data), GFP_KERNEL)?;

        Self::new(name, dir, contents, true)
    }

    fn new(name: &CStr, dir: &Arc<Dir>, contents: Private, writable: bool) -> Result<Self> {
        let busy = dir.tree.enter().ok_or(ENOENT)?;
        // SAFETY: By its type invariants the directory is there, as long as this is busy.
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
