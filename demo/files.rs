// SPDX-License-Identifier: GPL-2.0

//! The files of the module in debugfs.

use super::{
    command::{
        Command,
        HELP, //
    },
    pool::{
        LatencyOfAll,
        Pool, //
    },
    show::shows, //
};
use crate::{
    debugfs::{
        Dir,
        File,
        Show,
        Store, //
    },
    stats::counters::Totals, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    uaccess::UserSliceReader, //
};

/// `control`: takes commands, and lists them when read.
pub(super) struct Control {
    pool: Arc<Pool>,
    totals: Arc<Totals>,
}

impl Control {
    /// The longest command, in bytes.
    const MAX_LEN: usize = 256;

    pub(super) fn file(dir: &Arc<Dir>, pool: Arc<Pool>, totals: Arc<Totals>) -> Result<File> {
        let data = Arc::new(Self { pool, totals }, GFP_KERNEL)?;

        File::read_write::<Self>(c"control", dir, data)
    }

    fn parse(&self, mut reader: UserSliceReader) -> Result<Command> {
        let mut buffer = [0; Self::MAX_LEN];
        let text = buffer.get_mut(..reader.len()).ok_or(E2BIG)?;

        reader.read_slice(text)?;
        Command::parse(text, self.pool.period_us())
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
        let command = control.parse(reader);
        let result = command.and_then(|command| control.pool.execute(command));

        control.totals.count(|counts| match result {
            Ok(()) => counts.commands += 1,
            Err(error) => {
                counts.commands_rejected += 1;
                // These are failures of the kernel, rather than errors in the command.
                if matches!(command, Ok(Command::Create(..) | Command::Run(..)))
                    && [ENOMEM, EAGAIN, EINTR].contains(&error)
                {
                    counts.create_failed += 1;
                }
            }
        });
        result
    }
}

shows! {
    /// `stats` of the module.
    Stats: |totals: &Totals| totals;
    /// `latency` of the module.
    Latency: |pool: &Pool| LatencyOfAll(pool);
}

/// Makes `stats` at the top level.
pub(super) fn stats(dir: &Arc<Dir>, totals: Arc<Totals>) -> Result<File> {
    File::read_only::<Stats>(c"stats", dir, totals)
}

/// Makes `latency` at the top level.
pub(super) fn latency(dir: &Arc<Dir>, pool: Arc<Pool>) -> Result<File> {
    File::read_only::<Latency>(c"latency", dir, pool)
}
