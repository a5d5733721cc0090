// SPDX-License-Identifier: GPL-2.0

//! The signals that a thread can take, and taking one.
//!
//! C header: [`include/linux/signal.h`](srctree/include/linux/signal.h)

use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        atomic_load,
        Relaxed, //
    },
    task::Task, //
};

/// A signal that a kernel thread can take.
///
/// A kernel thread, unlike a process, treats all of these alike: it takes them, and none kills or
/// stops it. Signals that an exception or the end of a child causes are missing, as a kernel thread
/// receives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGHUP`
    Hup,
    /// `SIGINT`
    Int,
    /// `SIGQUIT`
    Quit,
    /// `SIGKILL`, which ends killable sleeps as well if it is sent by `tgkill(2)` or `send_sig()`.
    Kill,
    /// `SIGUSR1`
    Usr1,
    /// `SIGUSR2`
    Usr2,
    /// `SIGTERM`
    Term,
    /// `SIGCONT`, which discards a `SIGSTOP` that has not been taken.
    Cont,
    /// `SIGSTOP`, which discards a `SIGCONT` that has not been taken.
    Stop,
}

impl Signal {
    pub(super) const ALL: [Signal; 9] = [
        Signal::Hup,
        Signal::Int,
        Signal::Quit,
        Signal::Kill,
        Signal::Usr1,
        Signal::Usr2,
        Signal::Term,
        Signal::Cont,
        Signal::Stop,
    ];

    /// Returns the number of the signal on this architecture.
    pub const fn number(self) -> u32 {
        match self {
            Signal::Hup => bindings::SIGHUP,
            Signal::Int => bindings::SIGINT,
            Signal::Quit => bindings::SIGQUIT,
            Signal::Kill => bindings::SIGKILL,
            Signal::Usr1 => bindings::SIGUSR1,
            Signal::Usr2 => bindings::SIGUSR2,
            Signal::Term => bindings::SIGTERM,
            Signal::Cont => bindings::SIGCONT,
            Signal::Stop => bindings::SIGSTOP,
        }
    }

    /// Returns the signal of this number.
    ///
    /// Fails with [`EINVAL`] if there is none, or a kernel thread cannot take it.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(Signal::from_number(9), Ok(Signal::Kill));
    /// assert_eq!(Signal::from_number(0), Err(EINVAL));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_number(number: u32) -> Result<Signal> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.number() == number)
            .ok_or(EINVAL)
    }

    fn mask(self) -> u32 {
        1 << (self.number() - 1)
    }
}

/// A set of signals.
#[derive(Clone, Copy)]
pub(super) struct Signals(u32);

impl Signals {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn with(self, signal: Signal) -> Self {
        Self(self.0 | signal.mask())
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn contains(self, signal: Signal) -> bool {
        self.0 & signal.mask() != 0
    }

    /// Lets the current thread take these.
    pub(super) fn allow(self) {
        if self.is_empty() {
            return;
        }
        for signal in Signal::ALL {
            if self.contains(signal) {
                sigaction(signal.number(), SIG_KTHREAD);
            }
        }
    }
}

const SIG_IGN: usize = 1;
const SIG_KTHREAD: usize = 2;

/// Sets the disposition of a signal.
///
/// If it is ignored, pending ones are dropped.
fn sigaction(number: u32, handler: usize) {
    // SAFETY: C uses numbers for dispositions in place of functions. They are not null.
    let handler = unsafe { core::mem::transmute::<usize, bindings::__sighandler_t>(handler) };

    // SAFETY: The current task is a kernel thread with its own handlers. The number is that of a
    // signal.
    unsafe { bindings::kernel_sigaction(number as c_int, handler) };
}

/// Returns whether the current task has a signal to take, or is marked so.
///
/// Such a task does not sleep interruptibly.
#[inline]
pub(super) fn is_pending() -> bool {
    // ORDERING: proofs/litmus/signal-wait.litmus
    // SAFETY: The current task is alive, and the word is changed atomically.
    let flags = unsafe { atomic_load(&raw mut (*Task::current_raw()).thread_info.flags, Relaxed) };

    flags & 1 << bindings::TIF_SIGPENDING != 0
}

/// Takes one of `signals` from the current thread, the lowest number first.
///
/// If there is none, the mark is cleared.
pub(super) fn take(signals: Signals) -> Option<Signal> {
    let task = Task::current_raw();
    // Each of these signals is in the first word, whose bits others set concurrently.
    //
    // SAFETY: The current task is alive, and so are its signal structures.
    let pending = unsafe {
        atomic_load(&raw mut (*task).pending.signal.sig[0], Relaxed)
            | atomic_load(
                &raw mut (*(*task).signal).shared_pending.signal.sig[0],
                Relaxed,
            )
    };
    let found = Signal::ALL
        .into_iter()
        .filter(|signal| signals.contains(*signal) && pending & signal.mask() as c_ulong != 0)
        .min_by_key(|signal| signal.number());

    // `dequeue_signal()` needs a lock that only a C macro takes. This may lose the same signal sent
    // again before the caller knows of the first: both count as one.
    match found {
        Some(signal) => {
            sigaction(signal.number(), SIG_IGN);
            sigaction(signal.number(), SIG_KTHREAD);
        }
        // Ignoring an ignored signal makes C check whether anything is pending.
        None => sigaction(bindings::SIGCHLD, SIG_IGN),
    }
    found
}
