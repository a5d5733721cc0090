// SPDX-License-Identifier: GPL-2.0

//! Tests the ring buffer and its speed.
//!
//! A producer writes for some time, and now and then wakes a consumer, which reads events or pages.
//! At the end both report whether events are missing.
//!
//! Port of [`kernel/trace/ring_buffer_benchmark.c`](srctree/kernel/trace/ring_buffer_benchmark.c).

mod cpu;
#[path = "../kthread/mod.rs"]
mod kthread;
mod param;
mod ring_buffer;

use cpu::online_cpus;
use kernel::{
    cpu::CpuId,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use kthread::{
    Builder,
    Completion,
    Context,
    Policy,
    Thread,
    ThreadGroup,
    Wake,
    Waker, //
};
use param::value;
use ring_buffer::{
    ring_buffer,
    Reader,
    Writer, //
};

threaded_module! {
    type: Benchmark,
    threads: THREADS,
    name: "rust_ring_buffer_benchmark",
    authors: ["The rust_kthread_demo authors"],
    description: "ring_buffer_benchmark",
    license: "GPL",
    params: {
        disable_reader: bool {
            default: false,
            description: "only run producer",
        },
        write_iteration: u32 {
            default: 50,
            description: "# of writes between timestamp readings",
        },
        run_ms: u32 {
            default: 10000,
            description: "how long to write",
        },
        sleep_ms: u32 {
            default: 10000,
            description: "how long to pause",
        },
        producer_nice: i32 {
            default: 19,
            description: "nice prio for producer",
        },
        consumer_nice: i32 {
            default: 19,
            description: "nice prio for consumer",
        },
        producer_fifo: u32 {
            default: 0,
            description: "use fifo for producer: 0 - disabled, 1 - low prio, 2 - fifo",
        },
        consumer_fifo: u32 {
            default: 0,
            description: "use fifo for consumer: 0 - disabled, 1 - low prio, 2 - fifo",
        },
    },
}

/// How often the producer wakes the consumer.
const WAKEUP_INTERVAL: u32 = 100;

fn policy(fifo: u32, nice: i32) -> Policy {
    match fifo {
        0 => Policy::Normal { nice },
        1 => Policy::FifoLow,
        _ => Policy::Fifo,
    }
}

/// The way of reading.
#[derive(Clone, Copy)]
enum By {
    Events,
    Pages,
}

/// The data that both threads share.
#[pin_data]
struct Shared {
    #[pin]
    started: Completion,
    #[pin]
    done: Completion,
    begin: Atomic<bool>,
    finish: Atomic<bool>,
    read: Atomic<usize>,
    by_pages: Atomic<bool>,
    failed: Atomic<bool>,
}

impl Shared {
    fn is_over(&self, ctx: &Context<'_>) -> bool {
        self.failed.load(Relaxed) || ctx.should_stop()
    }

    /// Counts an event from the buffer of `cpu`, and checks that it belongs there.
    fn note(&self, cpu: CpuId, event: Option<u32>) {
        if event == Some(cpu.as_u32()) {
            self.read.store(self.read.load(Relaxed) + 1, Relaxed);
        } else {
            self.failed.store(true, Relaxed);
        }
    }

    /// Counts all events of a page.
    fn note_page(&self, cpu: CpuId, mut words: &[u32]) {
        while let Some(header) = words.first() {
            let bytes = match header % 32 {
                // Discarded events have a length.
                29 if header / 32 == 0 => None,
                29 => words.get(1).map(|length| length + 4),
                // Two kinds of time stamps.
                30 | 31 => Some(8),
                0 => {
                    self.note(cpu, words.get(2).copied());
                    words
                        .get(1)
                        .filter(|&&length| length > 0)
                        .map(|length| length + 4)
                }
                length => {
                    self.note(cpu, words.get(1).copied());
                    Some((length + 1) * 4)
                }
            };

            match bytes.and_then(|bytes| words.get(bytes as usize / 4..)) {
                Some(rest) => words = rest,
                None => {
                    self.failed.store(true, Relaxed);
                    return;
                }
            }
        }
    }

    /// Reads once from each CPU, and returns whether there was an event.
    fn read(&self, reader: &mut Reader, by: By) -> bool {
        let mut found = false;

        for cpu in online_cpus() {
            found |= match by {
                By::Events => match reader.consume(cpu) {
                    Some(event) => {
                        self.note(cpu, Some(event));
                        true
                    }
                    None => false,
                },
                By::Pages => reader
                    .read_page(cpu, |words| self.note_page(cpu, words))
                    .is_ok(),
            };
        }
        found
    }

    fn consume(&self, ctx: &Context<'_>, reader: &mut Reader) {
        let mut by = By::Events;

        // The producer starts each round. It may also wake this thread for an end that it has already seen.
        while ctx.wait_until(|| self.begin.xchg(false, Acquire)) == Wake::Ready {
            self.read.store(0, Relaxed);
            self.by_pages.store(matches!(by, By::Pages), Relaxed);
            self.started.complete();
            while !self.finish.load(Acquire) {
                while self.read(reader, by) && !self.failed.load(Relaxed) {}
                if ctx.wait() == Wake::Stop {
                    return;
                }
            }
            self.finish.store(false, Relaxed);
            self.done.complete();
            by = match by {
                By::Events => By::Pages,
                By::Pages => By::Events,
            };
        }
    }

    /// Writes for the configured time, and reports the result.
    fn hammer(&self, ctx: &Context<'_>, writer: &Writer, consumer: Option<&Waker>) {
        let time = Delta::from_millis(i64::from(value::<u32>(module_parameters::run_ms.value())));
        let begin = Instant::<Monotonic>::now();
        let (mut hit, mut missed, mut count) = (0usize, 0usize, 0u32);

        pr_info!("Starting ring buffer hammer\n");
        loop {
            for _ in 0..value::<u32>(module_parameters::write_iteration.value()) {
                match writer.write_cpu() {
                    true => hit += 1,
                    false => missed += 1,
                }
            }
            count = count.wrapping_add(1);
            if count % WAKEUP_INTERVAL == 0 {
                if let Some(consumer) = consumer {
                    consumer.wake();
                }
            }
            ctx.yield_point();
            if begin.elapsed() >= time || self.is_over(ctx) {
                break;
            }
        }
        let micros = begin.elapsed().as_micros_ceil();
        pr_info!("End ring buffer hammer\n");

        if let Some(consumer) = consumer {
            self.finish.store(true, Release);
            consumer.wake();
            self.done.wait_for_completion();
        }

        let (entries, overruns) = writer.entries_and_overruns();
        let read = self.read.load(Relaxed);
        if self.failed.load(Relaxed) {
            pr_err!("ERROR!\n");
        }
        pr_info!("Time:     {micros} (usecs)\n");
        pr_info!("Overruns: {overruns}\n");
        match consumer {
            None => pr_info!("Read:     (reader disabled)\n"),
            Some(_) if self.by_pages.load(Relaxed) => pr_info!("Read:     {read}  (by pages)\n"),
            Some(_) => pr_info!("Read:     {read}  (by events)\n"),
        }
        pr_info!("Entries:  {entries}\n");
        pr_info!("Total:    {}\n", entries + overruns + read);
        pr_info!("Missed:   {missed}\n");
        pr_info!("Hit:      {hit}\n");
        // CAST: The duration is not negative.
        pr_info!(
            "Entries per millisec: {}\n",
            hit / (micros as usize / 1000).max(1)
        );
    }

    fn produce(&self, ctx: &Context<'_>, writer: &mut Writer, consumer: Option<&Waker>) {
        let pause =
            Delta::from_millis(i64::from(value::<u32>(module_parameters::sleep_ms.value())));

        while !self.is_over(ctx) {
            writer.reset();
            if let Some(consumer) = consumer {
                self.begin.store(true, Release);
                consumer.wake();
                self.started.wait_for_completion();
            }
            self.hammer(ctx, writer, consumer);
            if ctx.wait_timeout(pause) == Wake::Stop {
                return;
            }
        }
    }
}

/// The threads, in the order of their stops: the producer needs the consumer to finish.
struct Benchmark {
    _producer: Thread<()>,
    _consumer: Option<Thread<()>>,
    _threads: ThreadGroup,
}

impl kernel::Module for Benchmark {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let threads = ThreadGroup::for_module(&THREADS)?;
        // The buffer has one megabyte.
        let (mut writer, mut reader) = ring_buffer(1_000_000, static_lock_class!())?;
        let shared = Arc::pin_init(
            pin_init!(Shared {
                started <- Completion::new(),
                done <- Completion::new(),
                begin: Atomic::new(false),
                finish: Atomic::new(false),
                read: Atomic::new(0),
                by_pages: Atomic::new(false),
                failed: Atomic::new(false),
            }),
            GFP_KERNEL,
        )?;

        let consumer = match value::<bool>(module_parameters::disable_reader.value()) {
            true => None,
            false => {
                let shared = shared.clone();

                Some(
                    Builder::new(fmt!("rust_consumer"))
                        .policy(policy(
                            value::<u32>(module_parameters::consumer_fifo.value()),
                            value::<i32>(module_parameters::consumer_nice.value()),
                        ))
                        .spawn(&threads, move |ctx| shared.consume(ctx, &mut reader))?,
                )
            }
        };
        let waker = consumer.as_ref().map(Thread::waker);
        let producer = Builder::new(fmt!("rust_producer"))
            .policy(policy(
                value::<u32>(module_parameters::producer_fifo.value()),
                value::<i32>(module_parameters::producer_nice.value()),
            ))
            .spawn(&threads, move |ctx| {
                shared.produce(ctx, &mut writer, waker.as_ref())
            })?;

        Ok(Self {
            _producer: producer,
            _consumer: consumer,
            _threads: threads,
        })
    }
}
