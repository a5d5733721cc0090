// SPDX-License-Identifier: GPL-2.0

//! Feeds the random number generator of the kernel from a hardware source.
//!
//! Port of the thread `hwrng_fillfn()` in
//! [`drivers/char/hw_random/core.c`](srctree/drivers/char/hw_random/core.c), with a driver that
//! registers one source.

#[path = "../kthread/mod.rs"]
mod kthread;
mod param;
mod random;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::msecs_to_jiffies, //
};
use kthread::{
    Completion,
    Context,
    Thread,
    ThreadGroup, //
};
use param::value;
use random::add_hwgenerator_randomness;

threaded_module! {
    type: Driver,
    threads: THREADS,
    name: "rust_hwrng",
    authors: ["The rust_kthread_demo authors"],
    description: "H/W Random Number Generator (RNG) driver",
    license: "GPL",
    params: {
        quality: u16 {
            default: 0,
            description: "bits of entropy in 1024 bits",
        },
        length: usize {
            default: 64,
            description: "how many bytes a read returns, none if zero",
        },
    },
}

const BUFFER_SIZE: usize = 64;

/// The operations of a driver.
trait Source: Send + Sync {
    /// Puts random bytes into `buffer`, and returns their number. May sleep.
    fn read(&self, buffer: &mut [u8]) -> Result<usize>;
}

/// A registered source.
#[pin_data]
struct Rng<S> {
    source: S,
    quality: u16,
    #[pin]
    dying: Completion,
}

impl<S: Source> Rng<S> {
    /// Reads and feeds until the thread is asked to stop.
    fn fill(&self, ctx: &Context<'_>, buffer: &mut [u8]) {
        // In units of 1/1024 bit.
        let mut credit = 0;

        while !ctx.should_stop() {
            match self.source.read(buffer) {
                Ok(len @ 1..) => {
                    let entropy = len * usize::from(self.quality) * 8 + credit;

                    // Carry less than a bit over to the next read.
                    credit = entropy % 1024;
                    add_hwgenerator_randomness(ctx, &buffer[..len], entropy / 1024);
                }
                // Wait until the source may have recovered, or the thread is asked to stop.
                _ => {
                    let _ = self
                        .dying
                        .wait_interruptible_timeout(msecs_to_jiffies(10_000));
                }
            }
        }
    }
}

/// The current source, and the thread that reads it.
type Current<S> = (Arc<Rng<S>>, Thread<()>);

/// Registers the source of a driver.
#[pin_data]
struct Core<S> {
    #[pin]
    current: Mutex<Option<Current<S>>>,
    threads: ThreadGroup,
}

impl<S: Source + 'static> Core<S> {
    /// Makes `source` the current source.
    fn register(&self, source: S, quality: u16) -> Result {
        let rng = Arc::pin_init(
            try_pin_init!(Rng {
                source,
                quality: if quality == 0 { 1024 } else { quality.min(1024) },
                dying <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let mut buffer = KVec::from_elem(0, BUFFER_SIZE, GFP_KERNEL)?;
        let mut current = self.current.lock();

        if current.is_some() {
            return Err(EBUSY);
        }
        let fill = rng.clone();
        let thread = self
            .threads
            .spawn(fmt!("rust_hwrng"), move |ctx| fill.fill(ctx, &mut buffer))?;
        *current = Some((rng, thread));
        Ok(())
    }

    /// Returns once the source is no longer used.
    fn unregister(&self) {
        if let Some((rng, thread)) = self.current.lock().take() {
            rng.dying.complete_all();
            // Dropping the thread stops it.
            drop(thread);
        }
    }
}

/// A source of bytes that are not random.
struct Counter {
    length: usize,
    next: Atomic<u32>,
}

impl Source for Counter {
    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.length.min(buffer.len());

        for byte in &mut buffer[..length] {
            // CAST: Only the lowest bits are used.
            *byte = self.next.fetch_add(1, Relaxed) as u8;
        }
        Ok(length)
    }
}

struct Driver {
    core: Pin<KBox<Core<Counter>>>,
}

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let core = KBox::pin_init(
            try_pin_init!(Core {
                current <- new_mutex!(None),
                threads: ThreadGroup::for_module(&THREADS)?,
            }),
            GFP_KERNEL,
        )?;
        let counter = Counter {
            length: value::<usize>(module_parameters::length.value()),
            next: Atomic::new(0),
        };

        core.register(counter, value::<u16>(module_parameters::quality.value()))?;
        Ok(Self { core })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.core.unregister();
    }
}
