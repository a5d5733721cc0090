// SPDX-License-Identifier: GPL-2.0

//! Runs `kthread/` on a model of the kernel, in many interleavings. See docs/proofs.md.
//!
//! To `kthread/` this crate is the crate `kernel`; a comment marks the modules that are not part
//! of that.

// Features that the `kernel` crate uses for its own `Arc`.
#![feature(arbitrary_self_types, coerce_unsized, dispatch_from_dyn, unsize)]
#![allow(
    clippy::all,
    unexpected_cfgs,
    dead_code,
    unused_imports,
    static_mut_refs
)]

extern crate self as kernel;
extern crate self as pin_init;

// The model, and its tests.
mod c;
#[path = "../../../tests/modules/calls/script.rs"]
mod calls;
mod explore;
mod machine;
mod tests;

mod atomic;
mod cell;
mod init;
mod memory;
mod stand_in;

pub use init::*;
pub use stand_in::*;

include!(concat!(env!("OUT_DIR"), "/kthread.rs"));

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// The number of the active break or mutant, or zero.
static BROKEN: AtomicUsize = AtomicUsize::new(0);

/// The breaks or mutants that have been reached.
static REACHED: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];

/// Used by the code that build.rs inserts for breaks, and mutants.py for mutants.
pub fn is_broken(number: usize) -> bool {
    REACHED[number].store(true, Ordering::Relaxed);
    BROKEN.load(Ordering::Relaxed) == number
}

const USAGE: &str = "usage: model [--list] [--test NAME] [--break NAME] [--mutant N] [--reached] [--seed N] [--seeds N] [--first N] [--preemptions N] [--limit SECONDS] [--trace] [--trace-one N]";

fn fail(why: &str) -> ! {
    eprintln!("model: {why}\n{USAGE}");
    std::process::exit(2)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut only, mut seed) = (None::<String>, None::<u64>);
    let mut reached = false;
    let (mut first, mut seeds, mut preemptions, mut limit) = (0, 64, 1, 60);

    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .unwrap_or_else(|| fail(&format!("{argument} needs a value")))
        };
        let number = |value: String| {
            value
                .parse::<u64>()
                .unwrap_or_else(|_| fail(&format!("'{value}' is no number")))
        };

        match argument.as_str() {
            "--list" => {
                for (name, _, bound) in tests::ALL {
                    println!("{name} {bound}");
                }
                return;
            }
            "--break" => {
                let name = value();
                let number = BREAKS.iter().position(|known| *known == name);

                BROKEN.store(
                    number.unwrap_or_else(|| fail(&format!("there is no break '{name}'"))) + 1,
                    Ordering::Relaxed,
                );
            }
            "--mutant" => BROKEN.store(number(value()) as usize, Ordering::Relaxed),
            "--reached" => reached = true,
            "--test" => only = Some(value()),
            "--seed" => seed = Some(number(value())),
            "--seeds" => seeds = number(value()),
            "--first" => first = number(value()),
            "--preemptions" => preemptions = number(value()) as usize,
            "--limit" => limit = number(value()),
            "--trace" => explore::trace(None),
            "--trace-one" => explore::trace(Some(number(value()) as usize)),
            _ => fail(&format!("there is no '{argument}'")),
        }
    }
    // Stop at the first failure.
    std::panic::set_hook(Box::new(|info| {
        let why = match info.payload().downcast_ref::<&str>() {
            Some(why) => why.to_string(),
            None => info
                .payload()
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_default(),
        };
        let at = info
            .location()
            .map(|at| format!("{}:{}", at.file(), at.line()))
            .unwrap_or_default();

        println!("{}: {why} ({at})", explore::which());
        std::process::exit(1);
    }));

    let mut found = false;
    for (name, test, bound) in tests::ALL {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        found = true;
        if let Some(seed) = seed {
            explore::run_seed(*test, seed);
            println!("{name}: seed {seed} passes");
            continue;
        }
        let run_seeds = || {
            (first..first + seeds)
                .map(|seed| explore::run_seed(*test, seed))
                .sum::<usize>()
        };
        // Seeds find a fault sooner. Otherwise, a fault is to come with as few preemptions as it takes.
        let mut at_random = 0;
        let is_broken = BROKEN.load(Ordering::Relaxed) != 0;
        if is_broken {
            at_random = run_seeds();
        }
        let begin = Instant::now();
        let (runs, all) =
            explore::run_all(*test, preemptions.min(*bound), Duration::from_secs(limit));
        let took = begin.elapsed().as_secs_f32();
        if !is_broken {
            at_random = run_seeds();
        }
        println!(
            "{name} {runs} {} {} {at_random} {took:.1} {:.1}",
            preemptions.min(*bound),
            if all { "all" } else { "some" },
            begin.elapsed().as_secs_f32()
        );
    }
    if !found {
        fail("there is no such test");
    }
    if reached {
        let numbers = (0..REACHED.len()).filter(|number| REACHED[*number].load(Ordering::Relaxed));

        println!(
            "reached: {}",
            numbers
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        );
    }
}
