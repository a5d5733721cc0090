// SPDX-License-Identifier: GPL-2.0

//! kernel/sched/core.c, and the exit of a task in kernel/exit.c and kernel/fork.c.

use super::{
    completion::{complete, init_completion, new_completion},
    kthread::test_bit,
    signal::{sigmask, SIGKILL, SIG_IGN},
    types::*,
};
use crate::{
    ffi::*,
    machine::{self, Clock, Order},
};
use std::{alloc::Layout, ptr::null_mut};

pub const TASK_RUNNING: u32 = 0;
pub const TASK_INTERRUPTIBLE: u32 = 1;
pub const TASK_UNINTERRUPTIBLE: u32 = 2;
pub const TASK_PARKED: u32 = 0x40;
pub const TASK_DEAD: u32 = 0x80;
pub const TASK_WAKEKILL: u32 = 0x100;
pub const TASK_NOLOAD: u32 = 0x400;
pub const TASK_FROZEN: u32 = 0x8000;
pub const TASK_KILLABLE: u32 = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;
pub const TASK_IDLE: u32 = TASK_UNINTERRUPTIBLE | TASK_NOLOAD;
pub const TASK_NORMAL: u32 = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE;

pub const PF_EXITING: u32 = 4;
pub const PF_NOFREEZE: u32 = 0x8000;
pub const PF_KTHREAD: u32 = 0x0020_0000;
pub const PF_NO_SETAFFINITY: u32 = 0x0400_0000;

pub const TIF_NOTIFY_SIGNAL: u32 = 1;
pub const TIF_SIGPENDING: u32 = 2;

pub const MAX_SCHEDULE_TIMEOUT: c_long = c_long::MAX;

/// `current`.
pub fn current() -> *mut task_struct {
    let id = machine::current_id();

    machine::machine()
        .tasks
        .get(&id)
        .copied()
        .expect("who runs is no task")
}

pub fn name_of_current() -> String {
    let id = machine::current_id();

    match machine::machine().tasks.get(&id) {
        // SAFETY: A running task is valid.
        Some(task) => unsafe {
            (**task)
                .comm
                .iter()
                .take_while(|byte| **byte != 0)
                .map(|byte| *byte as u8 as char)
                .collect()
        },
        None => format!("interrupt {id}"),
    }
}

/// Creates a `struct task_struct` with two references: its own and that of the creator.
pub fn new_task(name: &str, is_kthread: bool) -> *mut task_struct {
    let mut comm = [0; 16];

    for (to, from) in comm.iter_mut().zip(name.bytes().take(15)) {
        *to = from as i8;
    }
    let task = Box::into_raw(Box::new(task_struct {
        __state: TASK_RUNNING,
        flags: if is_kthread {
            PF_KTHREAD | PF_NOFREEZE
        } else {
            0
        },
        thread_info: thread_info { flags: 0 },
        vfork_done: null_mut(),
        mm: null_mut(),
        active_mm: null_mut(),
        policy: 0,
        static_prio: 120,
        rt_priority: 0,
        comm,
        cpus_mask: cpumask { bits: [3] },
        pid: 0,
        tgid: 0,
        real_parent: null_mut(),
        pending: sigpending {
            signal: sigset { sig: [0] },
        },
        signal: Box::into_raw(Box::new(signal_struct {
            shared_pending: sigpending {
                signal: sigset { sig: [0] },
            },
        })),
        // `ignore_signals()` of kthreadd.
        sighand: sighand_struct {
            siglock: raw_spinlock::new(),
            action: [SIG_IGN; 64],
        },
        usage: 1,
        is_blocked: false,
        id: 0,
        atomic: 0,
        pi_lock: Clock::new(),
        kthread: kthread {
            is_kthread,
            flags: 0,
            result: 0,
            threadfn: None,
            data: null_mut(),
            parked: new_completion(),
            exited: new_completion(),
        },
    }));

    machine::allocated();
    // SAFETY: The task was just created, and does not move.
    unsafe {
        init_completion(&raw mut (*task).kthread.parked);
        init_completion(&raw mut (*task).kthread.exited);
        (*task).real_parent = task;
        if is_kthread {
            // `set_kthread_struct()`.
            (*task).vfork_done = &raw mut (*task).kthread.exited;
        }
    }
    task
}

/// Makes the caller a task that is not a kernel thread.
pub fn become_task(name: &str) {
    let task = new_task(name, false);
    let id = machine::current_id();

    // SAFETY: The task was just created.
    unsafe { (*task).id = id };
    machine::machine().tasks.insert(id, task);
}

/// Ends such a task.
pub fn end_task() {
    let task = current();

    // SAFETY: The current task is valid.
    unsafe {
        assert!((*task).atomic == 0, "a task exits with a lock held");
        (*task).__state = TASK_DEAD;
        machine::machine().tasks.remove(&(*task).id);
        put_task_struct(task);
    }
    machine::exited();
}

/// `get_task_struct()`.
///
/// # Safety
///
/// The task must be valid.
pub unsafe fn get_task_struct(task: *mut task_struct) {
    machine::check(task, "a task");
    // SAFETY: The caller guarantees that the task is valid.
    unsafe {
        assert!((*task).usage > 0);
        (*task).usage += 1;
    }
}

/// `put_task_struct()`.
///
/// # Safety
///
/// The caller must have a reference.
pub unsafe fn put_task_struct(task: *mut task_struct) {
    machine::check(task, "a task");
    // SAFETY: The caller guarantees that there is a reference to the task.
    unsafe {
        assert!((*task).usage > 0);
        (*task).usage -= 1;
        if (*task).usage == 0 {
            assert!((*task).__state == TASK_DEAD, "a task is freed that runs");
            drop(Box::from_raw((*task).signal));
            std::ptr::drop_in_place(task);
            machine::free(task.cast(), Layout::new::<task_struct>());
        }
    }
}

/// `might_sleep()`.
pub fn might_sleep() {
    // SAFETY: The current task is valid.
    unsafe {
        let task = current();

        assert!((*task).atomic == 0, "sleeping in atomic context");
        assert!(
            (*task).__state == TASK_RUNNING,
            "do not call blocking operations when the state is {}",
            (*task).__state
        );
    }
}

/// The `set_current_state()` of C code.
pub fn set_current_state(state: u32) {
    let task = current();

    machine::step("set_current_state");
    // SAFETY: The current task is valid.
    unsafe { (*task).__state = state };
    machine::full_barrier();
}

/// `signal_pending_state()`.
///
/// # Safety
///
/// The task must be valid.
pub unsafe fn signal_pending_state(state: u32, task: *mut task_struct) -> bool {
    if state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL) == 0 {
        return false;
    }
    // SAFETY: The caller guarantees that the task is valid.
    let (flags, pending) = unsafe { ((*task).thread_info.flags, (*task).pending.signal.sig[0]) };

    flags & (1 << TIF_NOTIFY_SIGNAL | 1 << TIF_SIGPENDING) != 0
        && (state & TASK_INTERRUPTIBLE != 0 || pending & sigmask(SIGKILL) != 0)
}

/// `try_to_wake_up()`.
///
/// # Safety
///
/// The task must be valid.
pub unsafe fn try_to_wake_up(task: *mut task_struct, state: u32) -> bool {
    machine::check(task, "a task that is woken");
    machine::full_barrier();
    // SAFETY: The caller guarantees that the task is valid.
    unsafe {
        machine::acquire(&(*task).pi_lock);
        machine::release(&mut (*task).pi_lock);
        if (*task).__state & state == 0 {
            return false;
        }
        (*task).__state = TASK_RUNNING;
        machine::tell((*task).id);
        if (*task).is_blocked {
            (*task).is_blocked = false;
            machine::unblock((*task).id);
        }
    }
    true
}

/// `wake_up_process()`.
///
/// # Safety
///
/// The task must be valid.
pub unsafe fn wake_up_process(task: *mut task_struct) -> c_int {
    machine::step("wake_up_process");
    // SAFETY: The caller guarantees that the task is valid.
    c_int::from(unsafe { try_to_wake_up(task, TASK_NORMAL) })
}

/// `schedule()`.
///
/// # Safety
///
/// The caller must be allowed to sleep.
pub unsafe fn schedule() {
    let task = current();

    machine::step("schedule");
    // SAFETY: The current task is valid.
    unsafe {
        assert!((*task).atomic == 0, "scheduling while atomic");
        machine::full_barrier();
        if (*task).__state == TASK_RUNNING {
            return;
        }
        if signal_pending_state((*task).__state, task) {
            (*task).__state = TASK_RUNNING;
            return;
        }
        (*task).is_blocked = true;
        while (*task).is_blocked {
            machine::block();
        }
        machine::trace("runs again");
    }
}

/// `schedule_timeout()`.
///
/// The timer may expire at any step.
///
/// # Safety
///
/// The caller must be allowed to sleep.
pub unsafe fn schedule_timeout(timeout: c_long) -> c_long {
    if timeout == MAX_SCHEDULE_TIMEOUT {
        // SAFETY: The caller guarantees that sleeping is allowed.
        unsafe { schedule() };
        return timeout;
    }
    assert!(timeout >= 0);
    let has_ended = super::timer::wake_up_after(current(), timeout as i64 * 1_000_000);

    // SAFETY: The caller guarantees that sleeping is allowed.
    unsafe { schedule() };
    match has_ended.stop() {
        true => 0,
        false => timeout.max(1),
    }
}

/// `schedule_hrtimeout_range()`.
///
/// # Safety
///
/// The caller must be allowed to sleep, and `time` must be valid.
pub unsafe fn schedule_hrtimeout_range(time: *mut i64, _slack: u64, _mode: u32) -> c_int {
    // SAFETY: The caller guarantees that `time` is valid.
    let has_ended = super::timer::wake_up_after(current(), unsafe { *time });

    // SAFETY: The caller guarantees that sleeping is allowed.
    unsafe { schedule() };
    match has_ended.stop() {
        true => 0,
        false => -4,
    }
}

/// `wait_task_inactive()`.
///
/// # Safety
///
/// The task must be valid.
pub unsafe fn wait_task_inactive(task: *mut task_struct, state: u32) -> bool {
    machine::step("wait_task_inactive");
    // SAFETY: The caller guarantees that the task is valid.
    unsafe {
        loop {
            machine::check(task, "a task");
            if (*task).__state != state {
                return false;
            }
            if (*task).is_blocked {
                return true;
            }
            machine::give_way();
        }
    }
}

/// `do_exit()`, except that it returns, with all effects that others see.
pub fn do_exit_and_return(code: c_long) {
    let task = current();

    // SAFETY: The current task is valid, and its own reference is put last.
    unsafe {
        assert!((*task).atomic == 0, "a task exits with a lock held");
        // `kthread_do_exit()`.
        (*task).kthread.result = code as c_int;
        // `exit_signals()`.
        machine::step("PF_EXITING");
        (*task).flags |= PF_EXITING;
        machine::stored((&raw const (*task).flags).addr(), Order::Relaxed);
        // `complete_vfork_done()`.
        let vfork = (*task).vfork_done;
        (*task).vfork_done = null_mut();
        complete(vfork);
        machine::step("dead");
        // `do_task_dead()`, and `finish_task_switch()`.
        (*task).__state = TASK_DEAD;
        assert!(!test_bit(
            super::kthread::KTHREAD_IS_DEAD,
            &raw mut (*task).kthread.flags
        ));
        (*task).kthread.flags |= 1 << super::kthread::KTHREAD_IS_DEAD;
        machine::machine().tasks.remove(&(*task).id);
        put_task_struct(task);
    }
    machine::exited();
}

/// `do_exit()`, which does not return.
pub fn do_exit(code: c_long) -> ! {
    machine::machine().in_text -= 1;
    do_exit_and_return(code);
    machine::vanish()
}

/// `__cond_resched()`.
///
/// # Safety
///
/// The caller must be allowed to sleep.
pub unsafe fn __cond_resched() -> c_int {
    machine::give_way();
    0
}
