// SPDX-License-Identifier: GPL-2.0

//! A bench to see kernel threads on: workers that are driven from `control` in debugfs.

mod command;
mod files;
mod latency;
mod lifecycle;
mod name;
mod pool;
mod single_writer;
mod stats;
mod worker;

use crate::{
    debugfs::{
        Dir,
        File,
        Root, //
    },
    kthread::ThreadGroup, //
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
use stats::Totals;

/// What can be chosen when the module is loaded.
pub(crate) struct Parameters {
    /// So many event workers are started.
    pub(crate) workers: u64,
    /// There are never more workers than this.
    pub(crate) max_workers: u64,
    /// The default period of periodic workers, in microseconds.
    pub(crate) period_us: u64,
}

impl Parameters {
    /// Checks the values, and says in the log what is wrong with them.
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
    // With all files that are left, so that nobody gives commands or looks any more.
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
        // The last to come, so that no command can make the load fail.
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
        // All at once, which takes less time than one after the other, as the pool would. If there
        // is no memory for that, the pool does.
        let _ = self.pool.stop_all();
    }
}
