// SPDX-License-Identifier: GPL-2.0

//! The properties of a kernel thread, as its task structure has them.

use super::{
    context::Context,
    core::{
        HasCore,
        Member, //
    }, //
};
use kernel::{
    bindings,
    fmt,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
    task::{
        Pid,
        Task, //
    }, //
};

/// The size of `comm`, with the NUL at its end.
const COMM_LEN: usize = bindings::TASK_COMM_LEN as usize;

/// A name as the task structure holds it.
#[derive(Clone, Copy)]
pub struct Comm([u8; COMM_LEN]);

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.iter().position(|byte| *byte == 0);
        let bytes = self.0.get(..len.unwrap_or(COMM_LEN)).unwrap_or_default();

        fmt::Display::fmt(kernel::str::BStr::from_bytes(bytes), f)
    }
}

/// A set of CPUs, which displays itself as the kernel prints CPU lists: `0-3,7`.
#[derive(Clone, Copy)]
pub struct CpuList(bindings::cpumask);

impl CpuList {
    fn contains(&self, cpu: u32) -> bool {
        let bits = c_ulong::BITS;

        self.0
            .bits
            .get((cpu / bits) as usize)
            .is_some_and(|word| word >> (cpu % bits) & 1 != 0)
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = kernel::cpu::nr_cpu_ids();
        let mut separator = "";
        let mut cpu = 0;

        while cpu < count {
            if !self.contains(cpu) {
                cpu += 1;
                continue;
            }
            let first = cpu;
            while cpu < count && self.contains(cpu) {
                cpu += 1;
            }
            let last = cpu - 1;
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

/// A snapshot of the task structure of a thread.
#[derive(Clone, Copy)]
pub struct Identity {
    /// The name of the task, which `kthread_create_on_node()` has cut to 15 bytes.
    pub comm: Comm,
    /// The task's number.
    pub pid: Pid,
    /// The number of its thread group, of which a kernel thread is the only member.
    pub tgid: Pid,
    /// The number of its parent, which is kthreadd.
    pub ppid: Pid,
    /// The name of its parent.
    pub parent_comm: Comm,
    /// Whether it is a kernel thread: `PF_KTHREAD`.
    pub kthread: bool,
    /// Whether it has an address space, which a kernel thread has only between `kthread_use_mm()`
    /// and `kthread_unuse_mm()`.
    pub mm: bool,
    /// Whether it runs on the page tables of another task: `active_mm`.
    ///
    /// A kernel thread borrows these from the task that ran before it on the same CPU, and has none
    /// while it sleeps.
    pub active_mm: bool,
    /// The scheduling policy, as `SCHED_FIFO` is one.
    pub policy: u32,
    /// The nice value, from -20 to 19.
    ///
    /// Policies without a nice value keep it, and do not use it.
    pub nice: i32,
    /// The real-time priority, from 1 to 99, or 0 if the policy is neither `SCHED_FIFO` nor
    /// `SCHED_RR`.
    pub rt_priority: u32,
    /// The CPUs that it may run on.
    pub cpus_allowed: CpuList,
    /// Whether it runs on when tasks are frozen: `PF_NOFREEZE`.
    pub nofreeze: bool,
}

impl Identity {
    /// Whether the policy is `SCHED_FIFO`.
    pub fn is_fifo(&self) -> bool {
        self.policy == bindings::SCHED_FIFO
    }

    /// The name of the policy in lower case, without `SCHED_`.
    ///
    /// Someone may have given the thread one with `sched_setattr(2)` that no
    /// [`Policy`](super::Policy) is.
    pub fn policy_name(&self) -> &'static str {
        match self.policy {
            bindings::SCHED_NORMAL => "normal",
            bindings::SCHED_FIFO => "fifo",
            bindings::SCHED_RR => "rr",
            bindings::SCHED_BATCH => "batch",
            bindings::SCHED_IDLE => "idle",
            bindings::SCHED_DEADLINE => "deadline",
            bindings::SCHED_EXT => "ext",
            _ => "unknown",
        }
    }

    fn of(task: &Task) -> Self {
        // ORDERING: proofs/litmus/parent.litmus
        let task = task.as_ptr();
        let guard = rcu::read_lock();

        // SAFETY: The caller holds a reference to the task. The fields may change at any time, so
        // each is read once, as C does for `/proc`. The parent is kthreadd, which never exits; any
        // other parent is kept valid by the RCU read-side critical section.
        let identity = unsafe {
            let parent = atomic_load(&raw mut (*task).real_parent, Relaxed);
            let flags = atomic_load(&raw mut (*task).flags, Relaxed);

            Self {
                comm: comm(task),
                pid: (*task).pid,
                tgid: (*task).tgid,
                ppid: (*parent).tgid,
                parent_comm: comm(parent),
                kthread: flags & bindings::PF_KTHREAD != 0,
                mm: !atomic_load(&raw mut (*task).mm, Relaxed).is_null(),
                active_mm: !atomic_load(&raw mut (*task).active_mm, Relaxed).is_null(),
                policy: atomic_load(&raw mut (*task).policy, Relaxed),
                nice: atomic_load(&raw mut (*task).static_prio, Relaxed)
                    - bindings::DEFAULT_PRIO as i32,
                rt_priority: atomic_load(&raw mut (*task).rt_priority, Relaxed),
                cpus_allowed: cpus_allowed(task),
                nofreeze: flags & bindings::PF_NOFREEZE != 0,
            }
        };

        drop(guard);
        identity
    }
}

/// Copies the name of a task.
///
/// A name that changes during the copy gives a mixture, as it does in C.
///
/// # Safety
///
/// `task` must be valid.
unsafe fn comm(task: *mut bindings::task_struct) -> Comm {
    // SAFETY: The caller guarantees that `task` is valid, and the index is within the array.
    Comm(core::array::from_fn(|index| unsafe {
        // CAST: A `char` of C is a byte.
        atomic_load((&raw mut (*task).comm).cast::<i8>().add(index), Relaxed) as u8
    }))
}

/// Copies the CPUs that a task may run on, word by word, as they may change during the copy.
///
/// # Safety
///
/// `task` must be valid.
unsafe fn cpus_allowed(task: *mut bindings::task_struct) -> CpuList {
    let mut mask = bindings::cpumask::default();

    for (index, word) in mask.bits.iter_mut().enumerate() {
        // SAFETY: The caller guarantees that `task` is valid, and the index is within the array.
        *word = unsafe {
            atomic_load(
                (&raw mut (*task).cpus_mask.bits)
                    .cast::<c_ulong>()
                    .add(index),
                Relaxed,
            )
        };
    }
    CpuList(mask)
}

/// Looks at a thread, without keeping others from stopping it.
///
/// It may be dropped where a [`Waker`](super::Waker) may be.
///
/// # Examples
///
/// ```
/// # fn f(thread: &Thread<()>) -> Result {
/// let identity = thread.observer().identity();
///
/// pr_info!("{} has PID {}\n", identity.comm, identity.pid);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Observer {
    member: Arc<dyn Member>,
}

impl Observer {
    pub(super) fn new(member: Arc<dyn Member>) -> Self {
        Self { member }
    }

    /// Reads the task structure.
    ///
    /// May be called from any context.
    pub fn identity(&self) -> Identity {
        Identity::of(self.member.core().task())
    }

    /// Returns whether the closure has returned, or never will because the thread died.
    ///
    /// May be called from any context.
    pub fn is_finished(&self) -> bool {
        self.member.core().is_finished()
    }

    /// Returns whether the caller is this thread.
    ///
    /// Code that is called by the thread and by others can use this to tell which. May be called
    /// from any context. In an interrupt, the caller is the interrupted task.
    #[doc(alias = "kthread_func")]
    pub fn is_current(&self) -> bool {
        self.member.core().is_current()
    }
}

impl<M> Context<'_, M> {
    /// Reads the task structure of the current thread.
    ///
    /// Does not sleep.
    pub fn identity(&self) -> Identity {
        Identity::of(self.task())
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_identity)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        new_mutex,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        }, //
    };

    #[test]
    fn a_thread_is_a_child_of_kthreadd_without_an_address_space() -> Result {
        let group = group()?;
        let thread = Builder::new(fmt!("who"))
            .policy(Policy::FifoLow)
            .create(&group, |ctx| ctx.identity())?;

        let new = thread.observer().identity();
        let running = thread.start().join()?;
        for identity in [new, running] {
            assert!(identity.kthread && identity.nofreeze && !identity.mm);
            assert!(identity.pid > 2 && identity.tgid == identity.pid);
            assert_eq!(identity.ppid, 2);
            assert!(identity.is_fifo() && identity.rt_priority == 1);
        }
        // It runs on the page tables of the previous task.
        assert!(running.active_mm);
        assert!(!new.active_mm);
        Ok(())
    }

    #[test]
    fn a_thread_knows_itself_and_no_other() -> Result {
        let group = group()?;
        let slots = Arc::pin_init(
            new_mutex!([const { None::<(Thread<_>, Observer)> }; 2]),
            GFP_KERNEL,
        )?;

        for index in 0..2 {
            let seen = slots.clone();
            let thread = group.spawn(fmt!("self"), move |ctx| {
                let _ = ctx.wait();
                let slots = seen.lock();

                slots.each_ref().map(|slot| {
                    slot.as_ref()
                        .map(|(thread, observer)| [thread.is_current(), observer.is_current()])
                })
            })?;
            let observer = thread.observer();

            assert!(!thread.is_current() && !observer.is_current());
            slots.lock()[index] = Some((thread, observer));
        }
        let worker = Builder::new(fmt!("self")).spawn_worker(&group)?;
        let observer = worker.observer();
        let was_current = count()?;
        let counted = was_current.clone();
        worker.spawn(GFP_KERNEL, move |_| {
            counted.fetch_add(usize::from(observer.is_current()), Relaxed);
        })?;
        worker.flush()?;
        assert_eq!(was_current.load(Relaxed), 1);
        assert!(!worker.observer().is_current());

        for index in 0..2 {
            let slot = slots.lock()[index].as_ref().map(|(thread, observer)| {
                thread.wake();
                observer.clone()
            });
            let observer = slot.ok_or(EINVAL)?;

            assert!(eventually(|| observer.is_finished()));
            let (thread, _) = slots.lock()[index].take().ok_or(EINVAL)?;
            let mut expected = [Some([false; 2]); 2];
            expected[index] = Some([true; 2]);
            if index == 1 {
                expected[0] = None;
            }
            assert_eq!(thread.join(), Ok(expected));
        }
        Ok(())
    }
}
