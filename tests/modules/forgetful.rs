// SPDX-License-Identifier: GPL-2.0

//! Files of debugfs with misused handles: leaked, dropped too late, or keeping themselves alive.

#[path = "../../debugfs/mod.rs"]
mod debugfs;
#[path = "../../kthread/mod.rs"]
mod kthread;

use core::{
    borrow::Borrow,
    mem::forget, //
};
use debugfs::{
    Dir,
    File,
    Root,
    Show, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use kthread::{
    ThreadGroup,
    Wake, //
};

module! {
    type: Forgetful,
    name: "kthread_forgetful",
    authors: ["The rust_kthread_demo authors"],
    description: "Files of debugfs whose handles are leaked",
    license: "GPL",
    params: {
        fail: u8 {
            default: 0,
            description: "Whether the load fails after all has been made",
        },
    },
}

/// The data of a file: a number, and values that it keeps alive.
#[pin_data(PinnedDrop)]
struct Number {
    number: u32,
    #[pin]
    kept: Mutex<KVec<(File, Arc<Dir>)>>,
    #[pin]
    root: Mutex<Option<Root>>,
}

impl Number {
    fn new(number: u32) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                number,
                kept <- new_mutex!(KVec::new()),
                root <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )
    }
}

#[pinned_drop]
impl PinnedDrop for Number {
    fn drop(self: Pin<&mut Self>) {
        pr_info!("dropped {}\n", self.number);
    }
}

impl Show for Number {
    type Data = Self;

    fn show(data: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", data.number)
    }
}

fn file(name: &CStr, dir: &Arc<Dir>, number: u32) -> Result<File> {
    File::read_only::<Number>(name, dir, Number::new(number)?)
}

/// Reads a parameter, which is a reference in linux 7.2 and a value in 7.3.
fn value(parameter: impl Borrow<u8>) -> u8 {
    *parameter.borrow()
}

struct Forgetful {
    // Dropped first, together with all files.
    _root: Root,
    // This thread drops its files after they are removed.
    _threads: ThreadGroup,
    _late: (Arc<Dir>, File),
}

impl kernel::Module for Forgetful {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The root is dropped with the module's value, or at the end of this function, while
        // the module is loaded.
        let threads = unsafe { ThreadGroup::new()? };
        // SAFETY: The group is dropped with the module's value, or at the end of this function, while
        // the module is loaded.
        let root = unsafe { Root::new(c"kthread_forgetful")? };
        let top = root.dir();

        forget(file(c"file", top, 1)?);

        // Leaks the directory, but not its content.
        let dir = Dir::new(c"dir", top)?;
        let in_dir = file(c"file", &dir, 2)?;
        forget(dir);

        // Leaks the content of the directory, but not the directory.
        let kept = Dir::new(c"kept", top)?;
        forget(file(c"file", &kept, 3)?);
        drop(kept);

        // Leaks one of several references.
        let many = Dir::new(c"many", top)?;
        forget(many.clone());
        let in_many = file(c"file", &many, 4)?;

        // A thread that outlives the root owns them.
        let theirs = Dir::new(c"thread", top)?;
        let in_theirs = file(c"file", &theirs, 5)?;
        let holder = threads.spawn(fmt!("holder"), move |ctx| {
            while ctx.wait() != Wake::Stop {}
            let late = file(c"late", &theirs, 0).map(|_| ()).err();
            let late_dir = Dir::new(c"late", &theirs).map(|_| ()).err();
            drop((in_theirs, theirs));
            pr_info!("a late file {late:?}, a late directory {late_dir:?}\n");
        })?;
        forget(holder);

        // The data of a file owns the file.
        let number = Number::new(6)?;
        let dir = Dir::new(c"cycle", top)?;
        let itself = File::read_only::<Number>(c"file", &dir, number.clone())?;
        number.kept.lock().push((itself, dir), GFP_KERNEL)?;
        drop(number);

        // Nested directories, of which the last one is leaked.
        let mut deep = Dir::new(c"deep", top)?;
        for _ in 0..10 {
            deep = Dir::new(c"deep", &deep)?;
        }
        forget(file(c"file", &deep, 7)?);
        drop(deep);

        // The last handle drops them from the inside out.
        let mut deep = Dir::new(c"chain", top)?;
        for number in 0..1000 {
            deep = Dir::new(&CString::try_from_fmt(fmt!("{number}"))?, &deep)?;
        }
        drop(deep);

        // These are removed at once.
        drop(file(c"gone", top, 8)?);
        drop(Dir::new(c"gone", top)?);

        // The data of a file owns the root that the file is in.
        //
        // SAFETY: The root is dropped below, with the data of the file, or at the end of this
        // function, while the module is loaded.
        let owned = unsafe { Root::new(c"kthread_owned")? };
        let number = Number::new(9)?;
        let owner = File::read_only::<Number>(c"file", owned.dir(), number.clone())?;
        *number.root.lock() = Some(owned);
        drop(number);
        drop(owner);

        drop(in_many);
        if value(module_parameters::fail.value()) != 0 {
            forget(in_dir);
            return Err(EIO);
        }
        Ok(Self {
            _root: root,
            _threads: threads,
            _late: (many, in_dir),
        })
    }
}
