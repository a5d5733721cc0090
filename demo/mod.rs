// SPDX-License-Identifier: GPL-2.0

//! A bench for kernel threads: workers that commands in debugfs drive.

mod command;
mod files;
mod lifecycle;
mod name;
mod pool;
mod show;
mod worker;
mod worker_files;

use crate::{
    debugfs::{
        Dir,
        File,
        Root, //
    },
    kthread::ThreadGroup,
    stats::counters::Totals, //
};
use command::{
    Command,
    Options, //
};
use files::Control;
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};
use name::Name;
use pool::Pool;

/// The module parameters.
pub(crate) struct Parameters {
    /// The number of event workers to start.
    pub(crate) workers: u64,
    /// The greatest number of workers.
    pub(crate) max_workers: u64,
    /// The default period of periodic workers, in microseconds.
    pub(crate) period_us: u64,
}

impl Parameters {
    /// Checks the values, and logs what is wrong with them.
    fn check(&self) -> Result {
        if self.max_workers == 0 {
            pr_err!("max_workers=0: must be at least 1\n");
            return Err(EINVAL);
        }
        if self.workers > self.max_workers {
            pr_err!(
                "workers={}: must not be more than max_workers={}\n",
                self.workers,
                self.max_workers
            );
            return Err(EINVAL);
        }
        command::period(self.period_us).inspect_err(|_| {
            pr_err!(
                "period_us={}: must be from 1 to {}\n",
                self.period_us,
                command::MAX_PERIOD_US
            );
        })?;
        Ok(())
    }
}

/// The demo, as long as the module is loaded.
pub(crate) struct Demo {
    _files: [File; 3],
    // Dropped with all remaining files, so that no command and no read comes afterwards.
    _root: Root,
    pool: Arc<Pool>,
}

impl Demo {
    /// Makes the files in `root` and starts the first workers, all as members of `threads`.
    pub(crate) fn new(root: Root, parameters: &Parameters, threads: ThreadGroup) -> Result<Self> {
        parameters.check()?;

        let totals = Arc::pin_init(Totals::new(), GFP_KERNEL)?;
        let pool = Pool::new(
            threads,
            totals.clone(),
            parameters.max_workers,
            parameters.period_us,
            Dir::new(c"workers", root.dir())?,
        )?;
        let stats = files::stats(root.dir(), totals.clone())?;
        let latency = files::latency(root.dir(), pool.clone())?;

        for number in 0..parameters.workers {
            let name = CString::try_from_fmt(fmt!("w{number}"))?;
            let name = Name::new(name.to_bytes())?;
            pool.execute(Command::Run(name, Options::default()))?;
        }
        // The last file, so that no command can make the load fail.
        let control = Control::file(root.dir(), pool.clone(), totals)?;

        Ok(Self {
            _files: [control, stats, latency],
            _root: root,
            pool,
        })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Stopping all at once is faster than one after the other, as the drop of the pool does
        // when there is no memory for this.
        let _ = self.pool.stop_all();
    }
}
