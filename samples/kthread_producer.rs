// SPDX-License-Identifier: GPL-2.0

//! Two threads: one produces items, the other waits for each of them and consumes it.
//!
//! A completion counts: it lets the consumer through once for each item, even if the producer is
//! faster.

#[path = "../kthread/mod.rs"]
mod kthread;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::Delta, //
};
use kthread::{
    Completion,
    Context,
    Thread,
    ThreadGroup,
    Wake, //
};

threaded_module! {
    type: KthreadProducer,
    threads: THREADS,
    name: "kthread_producer",
    authors: ["The rust_kthread_demo authors"],
    description: "Sample: a kernel thread that produces and one that consumes",
    license: "GPL",
}

#[pin_data]
struct Channel {
    #[pin]
    items: Mutex<KVec<u64>>,
    #[pin]
    filled: Completion,
}

fn produce(ctx: &Context<'_>, channel: &Channel) -> Result {
    let mut item = 0;

    while ctx.wait_timeout(Delta::from_millis(50)) != Wake::Stop {
        item += 1;
        channel.items.lock().push(item, GFP_KERNEL)?;
        channel.filled.complete();
    }
    pr_info!("produced {item} items\n");
    Ok(())
}

fn consume(channel: &Channel) {
    let (mut count, mut sum) = (0, 0);

    // Fails when the thread is stopped, but not before the last item has been consumed.
    while channel.filled.wait_interruptible().is_ok() {
        count += 1;
        sum += channel.items.lock().pop().unwrap_or(0);
    }
    pr_info!("consumed {count} items, their sum is {sum}\n");
}

struct KthreadProducer {
    // The threads are stopped in this order.
    _producer: Thread<Result>,
    _consumer: Thread<()>,
    _threads: ThreadGroup,
}

impl kernel::Module for KthreadProducer {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let threads = ThreadGroup::for_module(&THREADS)?;
        let channel = Arc::pin_init(
            pin_init!(Channel {
                items <- new_mutex!(KVec::new()),
                filled <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;

        let filled = channel.clone();
        Ok(Self {
            _producer: threads.spawn(fmt!("producer"), move |ctx| produce(ctx, &filled))?,
            _consumer: threads.spawn(fmt!("consumer"), move |_ctx| consume(&channel))?,
            _threads: threads,
        })
    }
}
