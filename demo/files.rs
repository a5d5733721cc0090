// SPDX-License-Identifier: GPL-2.0

//! The files in debugfs.

use super::{
    command::{
        Command,
        HELP, //
    },
    name::Name,
    pool::Pool,
    stats::{
        Totals,
        WorkerStats, //
    }, //
};
use crate::debugfs::{
    Dir,
    File,
    Show,
    Store, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    uaccess::UserSliceReader, //
};

/// `control`: takes commands, shows what commands there are.
pub(super) struct Control {
    pool: Arc<Pool>,
    totals: Arc<Totals>,
}

impl Control {
    /// The longest command, in bytes.
    const MAX_LEN: usize = 256;

    pub(super) fn file(dir: &Arc<Dir>, pool: Arc<Pool>, totals: Arc<Totals>) -> Result<File<Self>> {
        let data = Arc::new(Self { pool, totals }, GFP_KERNEL)?;

        File::read_write::<Self>(c"control", dir, data)
    }

    fn execute(&self, mut reader: UserSliceReader) -> Result {
        let mut buffer = [0; Self::MAX_LEN];
        let text = buffer.get_mut(..reader.len()).ok_or(E2BIG)?;

        reader.read_slice(text)?;
        self.pool
            .execute(Command::parse(text, self.pool.period_us())?)
    }
}

impl Show for Control {
    type Data = Self;

    fn show(_: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HELP)
    }
}

impl Store for Control {
    fn store(control: &Self, reader: UserSliceReader) -> Result {
        let result = control.execute(reader);

        control.totals.count(|counts| match result {
            Ok(()) => counts.commands += 1,
            Err(error) => {
                counts.commands_rejected += 1;
                // What the kernel could not do, rather than what the command got wrong.
                if [ENOMEM, EAGAIN, EINTR].contains(&error) {
                    counts.create_failed += 1;
                }
            }
        });
        result
    }
}

/// Shows a value as it displays itself.
struct Displayed<T>(core::marker::PhantomData<T>);

impl<T: fmt::Display + Send + Sync + 'static> Show for Displayed<T> {
    type Data = T;

    fn show(data: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        data.fmt(f)
    }
}

/// Makes `stats` at the top level.
pub(super) fn totals_file(dir: &Arc<Dir>, totals: Arc<Totals>) -> Result<File<Totals>> {
    File::read_only::<Displayed<Totals>>(c"stats", dir, totals)
}

/// The directory of a worker.
pub(super) struct WorkerFiles {
    _stats: File<WorkerStats>,
}

impl WorkerFiles {
    pub(super) fn new(name: Name, workers: &Arc<Dir>, stats: &Arc<WorkerStats>) -> Result<Self> {
        let dir = Dir::new(name.as_c_str(), Some(workers.clone()))?;

        Ok(Self {
            _stats: File::read_only::<Displayed<WorkerStats>>(c"stats", &dir, stats.clone())?,
        })
    }
}
