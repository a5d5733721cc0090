// SPDX-License-Identifier: GPL-2.0
//
// error: E0507: cannot move out of

//! The workers of a pool stop with the pool, not through one of its owners.

use api::kthread::*;
use kernel::{
    prelude::*,
    sync::Arc, //
};

pub fn case(pool: Arc<WorkerPool>) -> Result {
    #[cfg(fixed)]
    let _ = pool.worker(0)?;
    #[cfg(not(fixed))]
    drop(*pool.worker(0)?);
    #[cfg(fixed)]
    drop(pool);
    Ok(())
}
