// SPDX-License-Identifier: GPL-2.0

//! Broken on purpose: a list so long that dropping it overflows the stack, for each node drops the next.

use kernel::prelude::*;

module! {
    type: Broken,
    name: "broken_stack_rust",
    authors: ["The rust_kthread_demo authors"],
    description: "Broken on purpose, for the self-check of the test harness",
    license: "GPL",
}

/// A frame has 16 bytes at least, a stack 32 KiB at most.
const LENGTH: usize = 10_000;

struct Node(#[expect(dead_code)] Option<KBox<Node>>);

// It makes the frames larger. With those of 16 bytes the trace is longer than the log buffer, and
// a console that has to wait for the end of a double fault loses its beginning.
impl Drop for Node {
    #[inline(always)]
    fn drop(&mut self) {
        core::hint::black_box([0u8; 256]);
    }
}

struct Broken;

#[inline(never)]
fn drops() -> Result<Broken> {
    let mut list = None;
    for _ in 0..LENGTH {
        list = Some(KBox::new(Node(list), GFP_KERNEL)?);
    }
    drop(list);
    Ok(core::hint::black_box(Broken))
}

impl kernel::Module for Broken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        drops()
    }
}
