// SPDX-License-Identifier: GPL-2.0

//! A driver whose thread ends when its device is unbound.
//!
//! It binds to platform devices of its own name. It has no `unsafe`: even if the group or the
//! device is leaked, no thread outlives the module.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    device::{
        Core,
        Device, //
    },
    platform,
    prelude::*,
    sync::aref::ARef,
    time::Delta, //
};
use kthread::{
    Builder,
    Context,
    ThreadGroup,
    Wake, //
};

threaded_module! {
    driver: platform::Adapter<KthreadDevice>,
    threads: THREADS,
    name: "kthread_device",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread for each device, which ends when that is unbound",
    license: "GPL",
}

/// Polls the device.
fn poll(ctx: &Context<'_>, dev: &Device) {
    let mut polls = 0;

    while ctx.wait_timeout(Delta::from_millis(20)) != Wake::Stop {
        polls += 1;
        if polls == 3 {
            dev_info!(dev, "polled {polls} times\n");
        }
    }
    dev_info!(dev, "stopped\n");
}

struct KthreadDevice {
    dev: ARef<Device>,
}

impl platform::Driver for KthreadDevice {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev: &Device<Core<'_>> = pdev.as_ref();
        let threads = ThreadGroup::for_device(&THREADS, dev)?;
        let polled: ARef<Device> = dev.into();

        // The device keeps the group, and the group the thread.
        Builder::new(fmt!("poll")).spawn_member(&threads, move |ctx| poll(ctx, &polled))?;
        Ok(Self { dev: dev.into() })
    }
}

impl Drop for KthreadDevice {
    fn drop(&mut self) {
        // The thread still runs: data that both use is reference counted, as `dev` is.
        dev_info!(self.dev, "unbound\n");
    }
}
