// SPDX-License-Identifier: GPL-2.0

//! The files of a worker in debugfs.

use super::{
    name::Name,
    show::shows,
    worker::{
        Done,
        Who,
        Worker, //
    }, //
};
use crate::debugfs::{
    Dir,
    File, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

shows! {
    /// `stats` of a worker.
    StatsOfWorker: |worker: &Worker| Done(worker);
    /// `identity` of a worker.
    IdentityOfWorker: |worker: &Worker| Who(worker);
    /// `latency` of a worker.
    LatencyOfWorker: |worker: &Worker| worker.latency;
    /// `lifecycle` of a worker.
    LifecycleOfWorker: |worker: &Worker| worker.lifecycle;
}

/// The directory of a worker.
pub(super) struct WorkerFiles {
    _files: [File; 4],
}

impl WorkerFiles {
    pub(super) fn new(name: Name, workers: &Arc<Dir>, worker: &Arc<Worker>) -> Result<Self> {
        let dir = Dir::new(name.as_c_str(), workers)?;

        Ok(Self {
            _files: [
                File::read_only::<StatsOfWorker>(c"stats", &dir, worker.clone())?,
                File::read_only::<IdentityOfWorker>(c"identity", &dir, worker.clone())?,
                File::read_only::<LatencyOfWorker>(c"latency", &dir, worker.clone())?,
                File::read_only::<LifecycleOfWorker>(c"lifecycle", &dir, worker.clone())?,
            ],
        })
    }
}
