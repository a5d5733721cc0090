// SPDX-License-Identifier: GPL-2.0
//
// error: lifetime may not live long enough

//! The handle of a worker does not leave its scope.

use api::kthread::*;
use kernel::prelude::*;

pub fn case() -> Result {
    let _ = scope(|s| {
        let worker = Builder::new(fmt!("escapes")).spawn_scoped_worker(s);
        #[cfg(not(fixed))]
        return worker;
        #[cfg(fixed)]
        drop(worker);
    });
    Ok(())
}
