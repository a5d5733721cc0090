// SPDX-License-Identifier: GPL-2.0

//! What can be chosen about a thread before it runs.

use super::{
    context::Context,
    errno::enametoolong,
    group::{
        Members,
        ThreadGroup, //
    },
    packet::{
        self,
        Detached,
        ModuleRef, //
    },
    thread::{
        NewThread,
        Thread,
        Waker, //
    }, //
};
use core::fmt::Write;
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::Cpumask,
    error::to_result,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// Where a thread may run and where its memory comes from.
///
/// These exclude each other: the C side warns about, or corrupts a list upon, their combinations.
///
/// # Examples
///
/// ```
/// # fn f(group: &ThreadGroup, cpu: CpuId) -> Result {
/// let bound = Builder::new(fmt!("bound"))
///     .placement(Placement::Cpu(cpu))
///     .spawn(group, |_ctx| CpuId::current().as_u32())?;
///
/// assert_eq!(bound.join(), Ok(cpu.as_u32()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Default)]
pub enum Placement<'a> {
    /// On all CPUs that are meant for housekeeping.
    #[default]
    Anywhere,
    /// On the CPUs of a NUMA node, with stack and task structure in its memory.
    ///
    /// Fails with [`ENODEV`] if the node is not online.
    Node(u32),
    /// On these CPUs as long as one of them is online. CPU hotplug is followed.
    ///
    /// Wraps `kthread_affine_preferred()`. Fails with [`EINVAL`] if the mask is empty, [`ENOMEM`].
    Preferred(&'a Cpumask),
    /// On one CPU, from which nobody can move the thread while the CPU is online.
    ///
    /// If the thread is to run while that CPU is offline the binding is lost for good.
    ///
    /// Wraps `kthread_bind()`. Fails with [`ENODEV`] if the CPU is not online.
    Cpu(CpuId),
}

/// How a thread is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// `SCHED_NORMAL` with a nice value, which is clamped to -20..=19.
    Normal {
        /// From -20, the most favoured, to 19.
        nice: i32,
    },
    /// `SCHED_FIFO` in the middle of the range. Wraps `sched_set_fifo()`.
    Fifo,
    /// `SCHED_FIFO` at the lowest priority. Wraps `sched_set_fifo_low()`.
    FifoLow,
}

/// Creates threads.
///
/// # Examples
///
/// ```
/// # fn f(group: &ThreadGroup) -> Result {
/// let thread = Builder::new(fmt!("flush-{}", 7))
///     .policy(Policy::Normal { nice: 10 })
///     .spawn(group, |ctx| while ctx.wait() != Wake::Stop {})?;
///
/// drop(thread);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing before `create` or `spawn`"]
pub struct Builder<'a> {
    name: fmt::Arguments<'a>,
    placement: Placement<'a>,
    policy: Policy,
    freezable: bool,
}

impl<'a> Builder<'a> {
    /// Begins with a name, and the defaults of the kernel for all else.
    ///
    /// The name is what `/proc/PID/comm` shows; `comm` itself holds its first 15 bytes.
    pub fn new(name: fmt::Arguments<'a>) -> Self {
        Self {
            name,
            placement: Placement::Anywhere,
            policy: Policy::Normal { nice: 0 },
            freezable: false,
        }
    }

    /// Chooses where the thread runs.
    pub fn placement(mut self, placement: Placement<'a>) -> Self {
        self.placement = placement;
        self
    }

    /// Chooses how the thread is scheduled.
    #[doc(alias = "sched_set_fifo")]
    #[doc(alias = "sched_set_normal")]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Makes the thread one that is frozen when the system is suspended.
    ///
    /// Without this, kernel threads run on. A freezable thread that is parked when tasks are being
    /// frozen stays parked, and if it is unparked meanwhile it is frozen then.
    #[doc(alias = "set_freezable")]
    pub fn freezable(mut self) -> Self {
        self.freezable = true;
        self
    }

    /// Creates a thread that runs `closure` once it is started.
    ///
    /// Sleeps until kthreadd has forked the task. Fails with
    /// - [`EINVAL`] if the name is empty or holds a NUL,
    /// - [`ENAMETOOLONG`] if the name is longer than 63 bytes,
    /// - [`ENOMEM`] if memory could not be had,
    /// - [`EAGAIN`] if there are too many tasks,
    /// - [`EINTR`] if the caller was killed meanwhile,
    /// - what the chosen [`Placement`] fails with.
    ///
    /// If it fails, `closure` has been dropped.
    ///
    /// Wraps `kthread_create_on_node()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_create")]
    pub fn create<F, T>(self, group: &ThreadGroup, closure: F) -> Result<NewThread<T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: Neither `F` nor `T` borrows anything.
        unsafe { self.create_in(group.members(), closure) }
    }

    /// Like [`Builder::create`], with a closure and a value that may borrow.
    ///
    /// # Safety
    ///
    /// That of [`packet::create`].
    pub(super) unsafe fn create_in<F, T, S>(
        self,
        members: &Arc<Members>,
        closure: F,
    ) -> Result<NewThread<T, S>>
    where
        F: FnOnce(&Context<'_>) -> T + Send,
        T: Send,
    {
        let name = self.name()?;

        // SAFETY: By the requirements of this function.
        let packet = unsafe {
            packet::create(
                members,
                name.as_c_str()?,
                self.node()?,
                self.freezable,
                closure,
            )?
        };
        let task = packet.core().task().as_ptr();
        // From here on an early return stops the task and drops the closure.
        let thread = NewThread::new(packet);

        // SAFETY: `thread` keeps the task, which was created just now.
        unsafe { self.set_up(task)? };
        Ok(thread)
    }

    /// Creates a thread that runs `closure` and is never stopped, and starts it.
    ///
    /// `module`, whose code the closure is, can not be unloaded until the closure has returned. The
    /// thread then ends by itself. Nobody can ask it to stop or to park, so that all it can wait for
    /// is to be woken by the returned [`Waker`], and time.
    ///
    /// Sleeps. Fails with what [`Builder::create`] fails with, and
    /// - [`EBUSY`] while the module is being loaded, as that may still fail,
    /// - [`ENOENT`] if the module is being unloaded.
    ///
    /// If it fails, `closure` has been dropped.
    ///
    /// Wraps `__module_put_and_kthread_exit()` of
    /// [`kernel/module/main.c`](srctree/kernel/module/main.c).
    ///
    /// # Examples
    ///
    /// ```
    /// fn remind(module: &'static ThisModule) -> Result {
    ///     Builder::new(fmt!("reminder")).spawn_detached(module, |ctx| {
    ///         let _ = ctx.wait_timeout(Delta::from_secs(10));
    ///         pr_info!("ten seconds have passed\n");
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "module_put_and_kthread_exit")]
    #[doc(alias = "try_module_get")]
    pub fn spawn_detached<F>(self, module: &'static ThisModule, closure: F) -> Result<Waker>
    where
        F: FnOnce(&Context<'_>) + Send + 'static,
    {
        let name = self.name()?;
        let thread = Detached::create(
            ModuleRef::get(module)?,
            name.as_c_str()?,
            self.node()?,
            self.freezable,
            closure,
        )?;

        // SAFETY: `thread` keeps the task, which was created just now.
        unsafe { self.set_up(thread.task().as_ptr())? };
        Ok(Waker::new(thread.start()))
    }

    /// Formats the name.
    pub(super) fn name(&self) -> Result<Name> {
        Name::format(self.name)
    }

    pub(super) fn is_freezable(&self) -> bool {
        self.freezable
    }

    /// Returns the NUMA node to create the task on, having checked the placement.
    pub(super) fn node(&self) -> Result<c_int> {
        match self.placement {
            Placement::Anywhere => Ok(bindings::NUMA_NO_NODE),
            Placement::Preferred(mask) if mask.empty() => Err(EINVAL),
            Placement::Preferred(_) => Ok(bindings::NUMA_NO_NODE),
            Placement::Node(node) => online_node(node),
            Placement::Cpu(cpu) => {
                check_online(cpu)?;
                Ok(bindings::NUMA_NO_NODE)
            }
        }
    }

    /// Applies placement and policy to a new task.
    ///
    /// # Safety
    ///
    /// The task must be alive and have never been woken. This may be done once, after
    /// [`Builder::node`].
    pub(super) unsafe fn set_up(&self, task: *mut bindings::task_struct) -> Result {
        match self.placement {
            Placement::Anywhere | Placement::Node(_) => {}
            Placement::Preferred(mask) => {
                // SAFETY: The task has not been woken, and this is done once. The mask is copied.
                to_result(unsafe { bindings::kthread_affine_preferred(task, mask.as_raw()) })?;
            }
            Placement::Cpu(cpu) => {
                // SAFETY: The task has not been woken, and the CPU is possible.
                unsafe { bindings::kthread_bind(task, cpu.as_u32()) };
            }
        }
        match self.policy {
            Policy::Normal { nice: 0 } => {}
            // SAFETY: The task is alive.
            Policy::Normal { nice } => unsafe {
                bindings::sched_set_normal(task, nice.clamp(-20, 19))
            },
            // SAFETY: As above.
            Policy::Fifo => unsafe { bindings::sched_set_fifo(task) },
            // SAFETY: As above.
            Policy::FifoLow => unsafe { bindings::sched_set_fifo_low(task) },
        }
        Ok(())
    }

    /// Creates a thread that runs `closure`, and starts it.
    ///
    /// Context and errors are those of [`Builder::create`].
    #[doc(alias = "kthread_run")]
    pub fn spawn<F, T>(self, group: &ThreadGroup, closure: F) -> Result<Thread<T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        Ok(self.create(group, closure)?.start())
    }
}

/// Returns `node` as C takes it if it is online.
fn online_node(node: u32) -> Result<c_int> {
    if node >= bindings::MAX_NUMNODES {
        return Err(ENODEV);
    }

    let bits = c_ulong::BITS;
    // SAFETY: `node_states` is there since boot, and holds `MAX_NUMNODES` bits for each state. C
    // changes its words atomically.
    let word = unsafe {
        (&raw const bindings::node_states[bindings::node_states_N_ONLINE as usize])
            .cast::<c_ulong>()
            .add((node / bits) as usize)
            .read_volatile()
    };

    if word >> (node % bits) & 1 == 0 {
        return Err(ENODEV);
    }
    Ok(node as c_int)
}

/// Checks that `cpu` is online, and so possible.
fn check_online(cpu: CpuId) -> Result {
    // SAFETY: The mask is there since boot, and C changes it with atomic operations only.
    let online = unsafe { Cpumask::from_raw(&raw const bindings::__cpu_online_mask) };

    if !online.test(cpu) {
        return Err(ENODEV);
    }
    Ok(())
}

/// The name of a thread.
///
/// It is formatted here, and not by the C side, which formats twice and warns if both differ.
pub(super) struct Name {
    bytes: [u8; Name::SIZE],
    len: usize,
}

impl Name {
    /// What `proc_task_name()` of [`fs/proc/array.c`](srctree/fs/proc/array.c) has room for.
    const SIZE: usize = 64;

    pub(super) fn format(args: fmt::Arguments<'_>) -> Result<Self> {
        let mut name = Self {
            bytes: [0; Self::SIZE],
            len: 0,
        };

        match args.as_str() {
            // Most names are constant.
            Some(constant) => name.write_str(constant),
            None => name.write_fmt(args),
        }
        .map_err(|_| enametoolong())?;
        Ok(name)
    }

    pub(super) fn as_c_str(&self) -> Result<&CStr> {
        if self.len == 0 {
            return Err(EINVAL);
        }
        let bytes = self.bytes.get(..=self.len).ok_or_else(enametoolong)?;

        CStr::from_bytes_with_nul(bytes).map_err(|_| EINVAL)
    }
}

impl Write for Name {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();

        // The last byte stays NUL.
        if end >= Self::SIZE {
            return Err(fmt::Error);
        }
        self.bytes
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}
