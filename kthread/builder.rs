// SPDX-License-Identifier: GPL-2.0

//! What can be chosen about a thread before it runs.

use super::{
    context::Context,
    core::Options,
    detached::{
        Detached,
        ModuleRef, //
    },
    errno::enametoolong,
    group::ThreadGroup,
    lockdep::Site,
    memalloc::Memalloc,
    members::Members,
    packet::{
        self,
        Birth, //
    },
    sched::{
        self,
        Policy, //
    },
    signal::Signal,
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
    sync::{
        atomic::{
            atomic_load,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta, //
};

/// Where a thread may run and where its memory comes from.
///
/// Exactly one is chosen: the C side warns about some combinations and corrupts a list on others.
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
    /// On all CPUs for housekeeping.
    #[default]
    Anywhere,
    /// On the CPUs of a NUMA node, with stack and task structure in its memory.
    ///
    /// Fails with [`ENODEV`] if the node is not online.
    Node(u32),
    /// On these CPUs as long as one of them is online.
    ///
    /// CPU hotplug is followed.
    ///
    /// Wraps `kthread_affine_preferred()`. Fails with [`EINVAL`] if the mask is empty, [`ENOMEM`].
    Preferred(&'a Cpumask),
    /// On these CPUs alone, until they are changed by [`Thread::set_cpus`], [`Context::set_cpus`]
    /// or [`Context::run_on`].
    ///
    /// Neither user space nor the kernel moves the thread, with one exception: when the last of its
    /// CPUs goes offline, it runs anywhere until its CPUs are set again.
    ///
    /// `kthread_bind_mask()` is not exported, so this wraps `kthread_bind()` and
    /// `set_cpus_allowed_ptr()`. Fails with [`EINVAL`] if none of them is online, or there are
    /// none.
    Cpus(&'a Cpumask),
    /// On one CPU, with stack and task structure in the memory of its node.
    ///
    /// It runs nowhere else, and nobody can move it. If it becomes runnable while that CPU is
    /// offline, it loses the binding permanently, even if it has not been started;
    /// [`PerCpuThreads`](super::PerCpuThreads) follow CPU hotplug.
    ///
    /// Wraps `kthread_create_on_cpu()`. Creating the thread waits for CPU hotplug. Fails with
    /// [`ENODEV`] if the CPU is not online, and with [`EDEADLK`] if the caller is a thread of
    /// [`PerCpuThreads`](super::PerCpuThreads), for which CPU hotplug may wait.
    Cpu(CpuId),
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
///
/// Built in steps, and used for several:
///
/// ```
/// # fn f(group: &ThreadGroup, channel: u32, is_urgent: bool) -> Result {
/// let mut builder = Builder::new(fmt!("rx-{channel}")).freezable(!is_urgent);
/// if is_urgent {
///     builder = builder.policy(Policy::FifoLow);
/// }
/// let rx = builder.spawn(group, |ctx| ctx.wait_for_stop())?;
/// let tx = builder
///     .name(fmt!("tx-{channel}"))
///     .spawn(group, |ctx| ctx.wait_for_stop())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing before `create` or `spawn`"]
pub struct Builder<'a> {
    name: Name,
    placement: Placement<'a>,
    policy: Option<Policy>,
    options: Options,
}

impl<'a> Builder<'a> {
    /// Begins with a name, and the defaults of the kernel for all else.
    ///
    /// The name is what `/proc/PID/comm` shows; `comm` itself holds its first 15 bytes. It is
    /// formatted here. A bad name is reported by each call that creates something from the builder.
    pub fn new(name: fmt::Arguments<'_>) -> Self {
        Self {
            name: Name::format(name),
            placement: Placement::Anywhere,
            policy: None,
            options: Options::NONE,
        }
    }

    /// Replaces the name.
    pub fn name(mut self, name: fmt::Arguments<'_>) -> Self {
        self.name = Name::format(name);
        self
    }

    /// Chooses where the thread runs.
    pub fn placement(mut self, placement: Placement<'a>) -> Self {
        self.placement = placement;
        self.options.movable = matches!(placement, Placement::Cpus(_));
        self
    }

    /// Chooses how the thread is scheduled.
    ///
    /// By default a thread inherits the policy of kthreadd: `SCHED_NORMAL` and nice 0, unless the
    /// administrator has changed that.
    ///
    /// Creating the thread fails with the errors of the [`Policy`].
    #[doc(alias = "sched_set_fifo")]
    #[doc(alias = "sched_set_normal")]
    #[doc(alias = "sched_setattr_nocheck")]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self.options.deadline = policy.is_deadline();
        self
    }

    /// Chooses whether the thread is frozen when the system is suspended.
    ///
    /// By default kernel threads are not frozen. A freezable thread that is parked while tasks are
    /// being frozen stays parked, and freezes if it is unparked before they are thawed.
    #[doc(alias = "set_freezable")]
    pub fn freezable(mut self, freezable: bool) -> Self {
        self.options.freezable = freezable;
        self
    }

    /// Allows each timed wait of the [`Context`] to end up to `slack` late.
    ///
    /// The kernel can then serve several timers with one interrupt, and leaves an idle CPU alone.
    /// By default there is no slack. No wait ends early.
    ///
    /// Fails with [`EINVAL`], when the builder creates something, if `slack` is negative, or if it
    /// is set for threads that have no [`Context`].
    ///
    /// Wraps `schedule_hrtimeout_range()` of
    /// [`kernel/time/sleep_timeout.c`](srctree/kernel/time/sleep_timeout.c).
    /// `/proc/PID/timerslack_ns` applies to other sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let gauge = Builder::new(fmt!("gauge"))
    ///     .timer_slack(Delta::from_millis(500))
    ///     .spawn(group, |ctx| {
    ///         while ctx.wait_timeout(Delta::from_secs(10)) != Wake::Stop {
    ///             pr_info!("ten seconds have passed, or a little more\n");
    ///         }
    ///     })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "schedule_hrtimeout_range")]
    pub fn timer_slack(mut self, slack: Delta) -> Self {
        self.options.timer_slack = slack;
        self
    }

    /// Leaves parking to the closure.
    ///
    /// A wait of the [`Context`] then does not park, but returns [`Wake::Park`], and does so until
    /// the closure calls [`Context::park_point`]. The caller of [`Thread::park`] waits for that.
    /// Once the closure has returned, this has no effect.
    ///
    /// Fails with [`EINVAL`] for threads that cannot be parked.
    ///
    /// In C, such a thread looks at `kthread_should_park()`, and calls `kthread_parkme()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let mut thread = Builder::new(fmt!("queue")).parks_itself().spawn(group, |ctx| loop {
    ///     match ctx.wait() {
    ///         Wake::Park => {
    ///             pr_info!("the device is quiet\n");
    ///             ctx.park_point();
    ///             pr_info!("and goes on\n");
    ///         }
    ///         Wake::Stop => return,
    ///         _ => pr_info!("one more packet\n"),
    ///     }
    /// })?;
    ///
    /// thread.park()?;
    /// thread.unpark()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Wake::Park`]: super::Wake::Park
    #[doc(alias = "kthread_parkme")]
    pub fn parks_itself(mut self) -> Self {
        self.options.parks_itself = true;
        self
    }

    /// Applies `memalloc` to all allocations of the thread, including those in functions that it
    /// calls.
    ///
    /// May be called several times.
    ///
    /// This is [`memalloc_scope`] for as long as the thread lives. For a worker it applies to all
    /// work items.
    ///
    /// # Examples
    ///
    /// A thread that cleans pages for the disk that they are on:
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let cleaner = Builder::new(fmt!("cleaner"))
    ///     .memalloc(Memalloc::NoFs)
    ///     .memalloc(Memalloc::NoReclaim)
    ///     .spawn(group, |ctx| while ctx.wait() == Wake::Ready {})?;
    ///
    /// cleaner.wake();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`memalloc_scope`]: super::memalloc_scope
    #[doc(alias = "PF_MEMALLOC")]
    pub fn memalloc(mut self, memalloc: Memalloc) -> Self {
        self.options.memallocs = self.options.memallocs.with(memalloc);
        self
    }

    /// Lets the thread take a signal, which it otherwise ignores.
    ///
    /// May be called several times.
    ///
    /// When one comes, the waits of the [`Context`] return [`Wake::Signal`], every other
    /// interruptible sleep ends, and [`Context::take_signal`] takes it. Nothing else happens: the
    /// closure decides what the signal means. A signal that is sent again before it is taken counts
    /// once, and a signal that is sent before the closure runs is ignored.
    ///
    /// [`Signal::Kill`] ends killable sleeps as well, if it is sent to the thread, as `tgkill(2)`
    /// and `send_sig()` do. `kill(2)` sends it to the process: this wakes the thread once, and a
    /// wait that checks why goes back to sleep, as the process does not die.
    ///
    /// Wraps `kernel_sigaction()` of [`kernel/signal.c`](srctree/kernel/signal.c), as
    /// `allow_signal()` does.
    ///
    /// # Examples
    ///
    /// A thread that acts on `kill -HUP` at once, and ends on `kill -9`:
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// let thread = Builder::new(fmt!("collector"))
    ///     .allow(Signal::Hup)
    ///     .allow(Signal::Kill)
    ///     .spawn(group, |ctx| loop {
    ///         match ctx.wait_timeout(Delta::from_secs(60)) {
    ///             Wake::Stop | Wake::Signal(Signal::Kill) => return,
    ///             _ => pr_info!("collecting\n"),
    ///         }
    ///     })?;
    ///
    /// thread.detach();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Wake::Signal`]: super::Wake::Signal
    #[doc(alias = "allow_signal")]
    pub fn allow(mut self, signal: Signal) -> Self {
        self.options.signals = self.options.signals.with(signal);
        self
    }

    /// Returns the same choices for one of several threads, with a name that ends in a slash and
    /// its number, and its own policy.
    ///
    /// Fails with [`EINVAL`] if a policy has been chosen for all of them.
    pub(super) fn one_of(&self, number: usize, policy: Policy) -> Result<Self> {
        match self.policy {
            None => {
                let mut one = self.clone();

                one.name.append(fmt!("/{number}"))?;
                Ok(one.policy(policy))
            }
            Some(_) => Err(EINVAL),
        }
    }

    /// Returns the name and the policy for a set of per-CPU threads.
    ///
    /// Fails with [`EINVAL`] if anything else has been chosen, as C decides the rest, and with the
    /// errors of [`Policy::check_bound`].
    pub(super) fn for_each_cpu(&self) -> Result<(&CStr, Option<Policy>)> {
        self.check_foreign()?;
        if let Some(policy) = self.policy {
            policy.check_bound()?;
        }
        match self.placement {
            Placement::Anywhere
                if !self.options.freezable
                    && self.options.memallocs.is_empty()
                    && self.options.timer_slack == Delta::ZERO =>
            {
                Ok((self.name.as_c_str()?, self.policy))
            }
            _ => Err(EINVAL),
        }
    }

    /// Returns an error if something has been chosen that only the waits of a [`Context`] support.
    pub(super) fn check_foreign(&self) -> Result {
        // The thread would no longer sleep, as nobody takes the signal.
        if !self.options.signals.is_empty() {
            return Err(EINVAL);
        }
        self.check_parked()
    }

    /// Returns an error if the way to park has been chosen for a thread that cannot be parked.
    fn check_parked(&self) -> Result {
        match self.options.parks_itself {
            false => Ok(()),
            true => Err(EINVAL),
        }
    }

    /// Creates a thread that runs `closure` once it is started.
    ///
    /// Sleeps until kthreadd has forked the task. Fails with
    /// - [`EINVAL`] if the name is empty, holds a NUL, or cannot be displayed,
    /// - [`ENAMETOOLONG`] if the name is longer than 63 bytes,
    /// - [`ENOMEM`] if there is no memory,
    /// - [`EAGAIN`] if there are too many tasks,
    /// - [`EINTR`] if the caller was killed while it waited,
    /// - the errors of the chosen [`Placement`] and [`Policy`].
    ///
    /// If it fails, `closure` has been dropped.
    ///
    /// Wraps `kthread_create_on_node()` of [`kernel/kthread.c`](srctree/kernel/kthread.c).
    #[doc(alias = "kthread_create")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn create<F, T>(&self, group: &ThreadGroup, closure: F) -> Result<NewThread<T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: Neither `F` nor `T` borrows anything.
        unsafe { self.create_in(group.members(), Site::caller(), closure) }
    }

    /// Like [`Builder::create`], with a closure and a value that may borrow.
    ///
    /// # Safety
    ///
    /// As for [`packet::create`].
    pub(super) unsafe fn create_in<F, T, S>(
        &self,
        members: &Arc<Members>,
        site: Site,
        closure: F,
    ) -> Result<NewThread<T, S>>
    where
        F: FnOnce(&Context<'_>) -> T + Send,
        T: Send,
    {
        let birth = self.birth();
        // It stays in the result, as moving it out would copy it.
        let birth = birth.as_ref().map_err(|error| *error)?;
        // SAFETY: The caller guarantees what `packet::create` requires of the borrows of `F` and
        // `T`.
        let (creation, packet) = unsafe { packet::create(members, birth, site, closure)? };
        let thread = NewThread::new(packet);
        // SAFETY: `thread` keeps the task alive. It has never been woken, and this runs once.
        let done = unsafe { self.set_up(thread.task_ptr()) };

        // The creation ends first, because dropping a closure may wait for everything that is being
        // created. An early return ends the task.
        drop(creation);
        done.map(|()| thread)
    }

    /// Checks the choices, and returns what a task is created from.
    #[inline(never)]
    pub(super) fn birth(&self) -> Result<Birth<'_>> {
        self.check_policy()?;
        let name = self.name.as_c_str()?;
        let node = self.node()?;

        if self.options.timer_slack.is_negative() {
            return Err(EINVAL);
        }
        // INVARIANT: `is_plain` says that there is no `%`.
        Ok(Birth {
            name,
            name_is_format: self.name.is_plain,
            node,
            cpu: match self.placement {
                Placement::Cpu(cpu) => Some(cpu),
                _ => None,
            },
            options: &self.options,
        })
    }

    /// Creates a thread that runs `closure` and is never stopped, and starts it.
    ///
    /// The module of the closure, `module`, cannot be unloaded until the closure has returned. The
    /// thread then ends by itself. Nobody can ask it to stop or to park, so all it can wait for is
    /// time and a wake-up by the returned [`Waker`].
    ///
    /// Sleeps. Fails with the errors of [`Builder::create`], and
    /// - [`EBUSY`] while the module is being loaded, as that may still fail: drivers are bound at
    ///   that time, too. Use [`Builder::spawn_member`] there,
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
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn_detached<F>(&self, module: &'static ThisModule, closure: F) -> Result<Waker>
    where
        F: FnOnce(&Context<'_>) + Send + 'static,
    {
        self.check_parked()?;
        let module = ModuleRef::get(module)?;
        let thread = Detached::create(module, &self.birth()?, Site::caller(), closure)?;

        // SAFETY: `thread` keeps the task alive. It has never been woken, and this runs once.
        unsafe { self.set_up(thread.task().as_ptr())? };
        Ok(Waker::new(thread.start()))
    }

    /// Creates and starts a thread that runs `closure`, without a handle.
    ///
    /// It ends by itself when `closure` returns, leaving nothing behind, or when its group ends it.
    /// Nobody can join or park it; the returned [`Waker`] can wake it.
    ///
    /// This may be called while a module is being loaded, or a driver is being bound, which may
    /// still fail: the group ends the thread then. It does not hold the module, unlike a
    /// [detached](Builder::spawn_detached) thread, which cannot be created before the module is
    /// loaded.
    ///
    /// Context and errors are those of [`Builder::create`], and [`EINVAL`] if the thread is to
    /// [park itself](Builder::parks_itself). If it fails, `closure` has been dropped.
    ///
    /// Does and wraps what [`Builder::spawn`] and [`Thread::detach`] do and wrap.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn f(group: &ThreadGroup) -> Result {
    /// // A slow step does not delay loading the module.
    /// Builder::new(fmt!("scan")).spawn_member(group, |ctx| {
    ///     for bus in 0..4 {
    ///         if ctx.should_stop() {
    ///             return;
    ///         }
    ///         pr_info!("nothing on bus {bus}\n");
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "kthread_run")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn_member<F>(&self, group: &ThreadGroup, closure: F) -> Result<Waker>
    where
        F: FnOnce(&Context<'_>) + Send + 'static,
    {
        self.check_parked()?;
        let thread = self.spawn(group, closure)?;
        let waker = thread.waker();

        thread.detach();
        Ok(waker)
    }

    /// Returns an error if no thread can have the policy with the chosen placement.
    fn check_policy(&self) -> Result {
        match (self.policy, self.placement) {
            (None, _) => Ok(()),
            (Some(policy), Placement::Anywhere) => policy.check(),
            (Some(policy), _) => policy.check_bound(),
        }
    }

    /// Checks the placement and returns the NUMA node to create the task on.
    fn node(&self) -> Result<c_int> {
        match self.placement {
            Placement::Anywhere | Placement::Cpus(_) => Ok(bindings::NUMA_NO_NODE),
            Placement::Preferred(mask) if mask.empty() => Err(EINVAL),
            Placement::Preferred(_) => Ok(bindings::NUMA_NO_NODE),
            Placement::Node(node) => online_node(node),
            // C looks up the node of the CPU.
            Placement::Cpu(_) => Ok(bindings::NUMA_NO_NODE),
        }
    }

    /// Applies placement and policy to a new task.
    ///
    /// # Safety
    ///
    /// The task must be alive and have never been woken. This may be done once, after
    /// [`Builder::node`].
    #[inline(never)]
    pub(super) unsafe fn set_up(&self, task: *mut bindings::task_struct) -> Result {
        match self.placement {
            Placement::Anywhere | Placement::Node(_) | Placement::Cpu(_) => {}
            Placement::Preferred(mask) => {
                // SAFETY: The task has not been woken, as the caller guarantees, and this runs
                // once. The mask is copied.
                to_result(unsafe { bindings::kthread_affine_preferred(task, mask.as_raw()) })?;
            }
            // SAFETY: The caller guarantees that the task is alive and has not been woken.
            Placement::Cpus(mask) => unsafe { sched::bind_mask(task, mask)? },
        }
        if let Some(policy) = self.policy {
            // SAFETY: The caller guarantees that the task is alive.
            unsafe { policy.apply(task)? };
        }
        Ok(())
    }

    /// Creates a thread that runs `closure`, and starts it.
    ///
    /// Context and errors are those of [`Builder::create`].
    #[doc(alias = "kthread_run")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn<F, T>(&self, group: &ThreadGroup, closure: F) -> Result<Thread<T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        Ok(self.create(group, closure)?.start())
    }
}

impl ThreadGroup {
    /// Creates a thread named `name` and starts it, with defaults for everything else.
    ///
    /// See [`Builder`] for the choices, and [`Builder::create`] for context and errors.
    #[doc(alias = "kthread_run")]
    #[cfg_attr(CONFIG_LOCKDEP, track_caller)]
    pub fn spawn<F, T>(&self, name: fmt::Arguments<'_>, closure: F) -> Result<Thread<T>>
    where
        F: FnOnce(&Context<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        Builder::new(name).spawn(self, closure)
    }
}

/// Returns `node` as C takes it, if it is online.
fn online_node(node: u32) -> Result<c_int> {
    if node >= bindings::MAX_NUMNODES {
        return Err(ENODEV);
    }

    let bits = c_ulong::BITS;
    // SAFETY: `node_states` exists since boot, and holds `MAX_NUMNODES` bits for each state. C
    // changes its words atomically.
    let word = unsafe {
        let online = &raw mut bindings::node_states[bindings::node_states_N_ONLINE as usize];

        atomic_load(
            online.cast::<c_ulong>().add((node / bits) as usize),
            Relaxed,
        )
    };

    if word >> (node % bits) & 1 == 0 {
        return Err(ENODEV);
    }
    Ok(node as c_int)
}

/// The name of a thread.
///
/// It is formatted here, because the C side formats twice and warns if the results differ.
///
/// # Invariants
///
/// - `len` is less than `SIZE`, and the bytes from there on are NUL.
/// - If `is_plain`, the bytes before `len` are greater than `%`, and so are no NUL.
#[derive(Clone)]
pub(super) struct Name {
    bytes: [u8; Name::SIZE],
    len: usize,
    is_plain: bool,
    /// Why it cannot be used.
    error: Option<Error>,
}

impl Name {
    /// The space that `proc_task_name()` of [`fs/proc/array.c`](srctree/fs/proc/array.c) has for
    /// it.
    const SIZE: usize = 64;

    #[inline(never)]
    pub(super) fn format(args: fmt::Arguments<'_>) -> Self {
        // INVARIANT: There are no bytes yet.
        let mut name = Self {
            bytes: [0; Self::SIZE],
            len: 0,
            is_plain: true,
            error: None,
        };

        // The error stays in the name.
        let _ = name.append(args);
        name
    }

    /// Appends `args`, and returns why the name cannot be used, if it cannot.
    fn append(&mut self, args: fmt::Arguments<'_>) -> Result {
        let written = match args.as_str() {
            // Most names are constant.
            Some(constant) => self.write_str(constant),
            None => self.write_fmt(args),
        };

        if written.is_err() {
            // A value reported that it cannot be displayed, unless the name is too long.
            self.error.get_or_insert(EINVAL);
        }
        self.error.map_or(Ok(()), Err)
    }

    pub(super) fn as_c_str(&self) -> Result<&CStr> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.len == 0 {
            return Err(EINVAL);
        }
        let bytes = self.bytes.get(..=self.len).ok_or(EINVAL)?;

        match self.is_plain {
            // SAFETY: By the type invariants the last of these bytes is NUL, and no other.
            true => Ok(unsafe { CStr::from_bytes_with_nul_unchecked(bytes) }),
            false => CStr::from_bytes_with_nul(bytes).map_err(|_| EINVAL),
        }
    }
}

impl Write for Name {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();

        // The last byte stays NUL.
        if end >= Self::SIZE {
            self.error.get_or_insert(enametoolong());
            return Err(fmt::Error);
        }
        self.bytes
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(s.as_bytes());
        // INVARIANT: Only bytes before the new length have changed, and all new ones are looked at.
        self.len = end;
        self.is_plain &= s.bytes().all(|byte| byte > b'%');
        Ok(())
    }
}

#[cfg(kthread_kunit)]
#[kunit_tests(rust_kthread_builder)]
mod tests {
    use super::super::{
        kunit::*,
        *, //
    };
    use kernel::{
        bindings,
        cpu::CpuId,
        cpumask::{
            Cpumask,
            CpumaskVar, //
        },
        fmt,
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        },
        time::{
            Delta,
            Instant,
            Monotonic, //
        }, //
    };

    #[test]
    fn a_closure_is_dropped_when_no_thread_can_be_made() -> Result {
        let group = group()?;
        let drops = count()?;
        let create = |name: fmt::Arguments<'_>, placement| {
            let counted = Counted(drops.clone());

            Builder::new(name)
                .placement(placement)
                .create(&group, move |_| drop(counted))
                .map(drop)
        };

        let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(create(fmt!(""), Placement::Anywhere), Err(EINVAL));
        assert_eq!(create(fmt!("a\0b"), Placement::Anywhere), Err(EINVAL));
        assert_eq!(
            create(fmt!("{long}"), Placement::Anywhere),
            Err(enametoolong())
        );
        assert_eq!(
            create(fmt!("{long}{long}"), Placement::Anywhere),
            Err(enametoolong())
        );
        assert_eq!(create(fmt!("node"), Placement::Node(u32::MAX)), Err(ENODEV));
        // Here there is a task already.
        let none = cpus([])?;
        assert_eq!(create(fmt!("cpus"), Placement::Cpus(&none)), Err(EINVAL));
        assert_eq!(drops.load(Relaxed), 6);
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn a_closure_whose_thread_can_not_be_made_may_close_its_group() -> Result {
        /// Closes a group when it is dropped.
        struct Closes(Arc<ThreadGroup>);

        impl Drop for Closes {
            fn drop(&mut self) {
                self.0.close();
            }
        }

        let group = Arc::new(group()?, GFP_KERNEL)?;
        let closes = Closes(group.clone());
        let none = cpus([])?;
        let created = Builder::new(fmt!("cpus"))
            .placement(Placement::Cpus(&none))
            .create(&group, move |_| drop(closes));

        assert_eq!(created.err(), Some(EINVAL));
        assert_eq!(group.spawn(fmt!("late"), |_| ()).err(), Some(ENODEV));
        Ok(())
    }

    #[test]
    fn a_builder_is_built_in_steps_and_used_again() -> Result {
        let group = group()?;

        for channel in 0..2 {
            // The name is formatted in a statement of its own.
            let mut builder = Builder::new(fmt!("rx-{channel}")).freezable(true);
            if channel == 1 {
                builder = builder.freezable(false).policy(Policy::FifoLow);
            }
            let run = |builder: &Builder<'_>| -> Result<_> {
                let thread = builder.spawn(&group, |ctx| seen(ctx.core()))?;
                Ok(thread.join()?)
            };
            let expect = |seen: Seen, name: &[u8]| -> Result {
                assert_eq!(seen.comm(), name);
                assert_eq!(seen.is_fifo(), channel == 1);
                assert_eq!(seen.nofreeze, channel == 1 || !cfg!(CONFIG_FREEZER));
                Ok(())
            };

            for _ in 0..2 {
                expect(run(&builder)?, &[b'r', b'x', b'-', b'0' + channel])?;
            }
            let other = builder.clone().name(fmt!("tx"));
            expect(run(&other)?, b"tx")?;
            expect(run(&builder)?, &[b'r', b'x', b'-', b'0' + channel])?;
            // A wrong name is reported each time, and can be replaced.
            let wrong = builder.name(fmt!(""));
            assert_eq!(run(&wrong).err(), Some(EINVAL));
            assert_eq!(run(&wrong).err(), Some(EINVAL));
            expect(run(&wrong.name(fmt!("right")))?, b"right")?;
        }
        Ok(())
    }

    #[test]
    fn a_wait_with_slack_ends_no_sooner() -> Result {
        let group = group()?;
        let brief = Delta::from_millis(1);
        let slack = |slack| Builder::new(fmt!("slack")).timer_slack(slack);

        for nanos in [0, 1, 2_000_000, i64::MAX] {
            let thread = slack(Delta::from_nanos(nanos)).spawn(&group, move |ctx| {
                let began = Instant::<Monotonic>::now();
                // With infinite slack, another timer is needed.
                let wake = ctx.wait_timeout(brief);
                (wake, began.elapsed() >= brief)
            })?;

            if nanos == i64::MAX {
                thread.wake();
                assert!(matches!(
                    thread.join(),
                    Ok((Wake::Timeout, true) | (Wake::Ready, _))
                ));
            } else {
                assert_eq!(thread.join(), Ok((Wake::Timeout, true)));
            }
        }
        for nanos in [-1, i64::MIN] {
            let wrong = slack(Delta::from_nanos(nanos));
            assert_eq!(wrong.spawn(&group, |_| ()).err(), Some(EINVAL));
            assert_eq!(wrong.spawn_worker(&group).err(), Some(EINVAL));
        }
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn a_name_is_not_a_format() -> Result {
        let group = group()?;
        let named =
            |name: fmt::Arguments<'_>| Ok::<_, Error>(comm(&group.spawn(name, until_stopped)?));

        assert_eq!(&named(fmt!("{}", "%p%n%s"))?[..7], b"%p%n%s\0");
        assert_eq!(&named(fmt!("%s%{}", "%d"))?[..6], b"%s%%d\0");
        // A part without a percent sign follows one with it.
        assert_eq!(&named(fmt!("%{}", "us"))?[..4], b"%us\0");
        assert_eq!(&named(fmt!(" !\"#$ {}", '&'))?[..8], b" !\"#$ &\0");

        let thread = group.spawn(fmt!("{}-and-more", "0123456789"), until_stopped)?;
        assert_eq!(&comm(&thread), b"0123456789-and-\0");
        Ok(())
    }

    #[test]
    fn a_thread_runs_where_it_was_placed() -> Result {
        let group = group()?;
        let here = |_: &Context<'_>| CpuId::current().as_u32();

        for cpu in 0..kernel::cpu::nr_cpu_ids() {
            let Some(cpu) = CpuId::from_u32(cpu) else {
                continue;
            };
            match Builder::new(fmt!("placed"))
                .placement(Placement::Cpu(cpu))
                .spawn(&group, here)
            {
                Ok(thread) => assert_eq!(thread.join(), Ok(cpu.as_u32())),
                Err(error) => assert_eq!(error, ENODEV),
            }
        }
        let node = Builder::new(fmt!("node")).placement(Placement::Node(0));
        assert!(node.spawn(&group, here)?.join().is_ok());
        Ok(())
    }

    #[test]
    fn a_thread_runs_on_the_cpus_that_it_prefers() -> Result {
        let group = group()?;
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
        let place = |mask: &Cpumask| {
            Builder::new(fmt!("prefers"))
                .placement(Placement::Preferred(mask))
                .spawn(&group, |ctx| {
                    (CpuId::current().as_u32(), seen(ctx.core()).cpus)
                })
        };

        assert_eq!(place(&mask).err(), Some(EINVAL));
        let last = kernel::cpu::nr_cpu_ids() - 1;
        mask.set(CpuId::from_u32(last).ok_or(EINVAL)?);
        let (cpu, cpus) = place(&mask)?.join()?;
        assert_eq!(cpu, last);
        // A preference is not binding: nobody has taken the right to move the thread.
        assert_eq!(cpus, 1 << last);
        Ok(())
    }

    #[test]
    fn a_thread_has_the_policy_that_was_chosen() -> Result {
        let group = group()?;
        let policy = |policy| -> Result<(u32, i32)> {
            let thread = Builder::new(fmt!("policy"))
                .policy(policy)
                .spawn(&group, until_stopped)?;
            let task = thread.task().as_ptr();

            // SAFETY: `thread` keeps the task alive, and nobody changes these fields at this point.
            Ok(unsafe { ((*task).policy, (*task).static_prio) })
        };

        assert_eq!(
            policy(Policy::Normal { nice: 0 }),
            Ok((bindings::SCHED_NORMAL, 120))
        );
        assert_eq!(
            policy(Policy::Normal { nice: 5 }),
            Ok((bindings::SCHED_NORMAL, 125))
        );
        assert_eq!(
            policy(Policy::Normal { nice: 99 }),
            Ok((bindings::SCHED_NORMAL, 139))
        );
        assert_eq!(policy(Policy::Fifo)?.0, bindings::SCHED_FIFO);
        assert_eq!(policy(Policy::FifoLow)?.0, bindings::SCHED_FIFO);
        Ok(())
    }

    #[test]
    fn a_policy_that_is_not_chosen_is_inherited_and_nice_0_is_chosen() -> Result {
        let group = group()?;
        let nice = |builder: Builder<'_>| -> Result<i32> {
            let thread = builder.spawn(&group, until_stopped)?;

            // SAFETY: `thread` keeps the task alive, and nobody changes the field at this point.
            Ok(unsafe { (*thread.task().as_ptr()).static_prio } - bindings::DEFAULT_PRIO as i32)
        };
        let probe = group.spawn(fmt!("probe"), until_stopped)?;
        // SAFETY: The parent of a kernel thread is kthreadd, which never exits.
        let kthreadd = unsafe { (*probe.task().as_ptr()).real_parent };

        // SAFETY: The parent is kthreadd, which never exits.
        unsafe { bindings::set_user_nice(kthreadd, 5) };
        let found = [
            nice(Builder::new(fmt!("inherits"))),
            nice(Builder::new(fmt!("zero")).policy(Policy::Normal { nice: 0 })),
            nice(Builder::new(fmt!("one")).policy(Policy::Normal { nice: 1 })),
        ];
        // SAFETY: The parent is kthreadd, which never exits.
        unsafe { bindings::set_user_nice(kthreadd, 0) };
        assert_eq!(found, [Ok(5), Ok(0), Ok(1)]);
        Ok(())
    }

    #[test]
    fn a_name_that_can_not_be_displayed_is_not_too_long() -> Result {
        struct Bad;

        impl fmt::Display for Bad {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }

        let group = group()?;
        assert_eq!(group.spawn(fmt!("{}", Bad), |_| ()).err(), Some(EINVAL));
        assert_eq!(group.spawn(fmt!("rx{}", Bad), |_| ()).err(), Some(EINVAL));
        assert!(group.is_empty());
        Ok(())
    }

    #[test]
    fn the_name_of_a_bound_thread_is_not_a_format() -> Result {
        let group = group()?;
        let thread = Builder::new(fmt!("{}", "%u%%%n"))
            .placement(Placement::Cpu(CpuId::current()))
            .spawn(&group, until_stopped)?;

        assert_eq!(&comm(&thread)[..7], b"%u%%%n\0");
        Ok(())
    }
}
