// SPDX-License-Identifier: GPL-2.0

//! The used parts of C structures.

#![allow(non_camel_case_types, missing_docs)]

use crate::ffi::*;

pub struct thread_info {
    pub flags: c_ulong,
}

pub struct sigset {
    pub sig: [c_ulong; 1],
}

pub struct sigpending {
    pub signal: sigset,
}

pub struct signal_struct {
    pub shared_pending: sigpending,
}

pub struct sighand_struct {
    pub siglock: raw_spinlock,
    pub action: [usize; 64],
}

#[derive(Clone, Copy, Default)]
pub struct cpumask {
    pub bits: [c_ulong; 1],
}

/// `struct task_struct`, including `struct kthread` of kernel/kthread.c.
pub struct task_struct {
    pub __state: u32,
    pub flags: u32,
    pub thread_info: thread_info,
    pub vfork_done: *mut completion,
    pub mm: *mut mm_struct,
    pub active_mm: *mut mm_struct,
    pub policy: u32,
    pub static_prio: i32,
    pub rt_priority: u32,
    pub comm: [i8; 16],
    pub cpus_mask: cpumask,
    pub pid: i32,
    pub tgid: i32,
    pub real_parent: *mut task_struct,
    pub pending: sigpending,
    pub signal: *mut signal_struct,
    pub sighand: sighand_struct,

    /// `usage`.
    pub usage: isize,
    /// `on_rq`, inverted: the task is in `schedule()`, and does not run.
    pub is_blocked: bool,
    /// The number of the model's task.
    pub id: usize,
    /// The number of held spinlocks.
    pub atomic: usize,
    pub pi_lock: crate::machine::Clock,
    pub kthread: kthread,
}

/// `struct kthread`.
pub struct kthread {
    pub is_kthread: bool,
    pub flags: c_ulong,
    pub result: c_int,
    pub threadfn: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    pub data: *mut c_void,
    pub parked: completion,
    pub exited: completion,
}

pub struct mm_struct {
    _unused: u8,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct list_head {
    pub next: *mut list_head,
    pub prev: *mut list_head,
}

impl Default for list_head {
    fn default() -> Self {
        Self {
            next: std::ptr::null_mut(),
            prev: std::ptr::null_mut(),
        }
    }
}

pub struct raw_spinlock {
    pub(super) held: super::lock::Held,
}

pub type raw_spinlock_t = raw_spinlock;

pub struct swait_queue_head {
    pub lock: raw_spinlock,
    pub task_list: list_head,
}

pub struct swait_queue {
    pub task: *mut task_struct,
    pub task_list: list_head,
}

pub struct completion {
    pub done: c_uint,
    pub wait: swait_queue_head,
}

pub struct wait_queue_head {
    pub lock: raw_spinlock,
    pub head: list_head,
}

pub type wait_queue_func_t =
    Option<unsafe extern "C" fn(*mut wait_queue_entry, c_uint, c_int, *mut c_void) -> c_int>;

#[repr(C)]
pub struct wait_queue_entry {
    pub flags: c_uint,
    pub private: *mut c_void,
    pub func: wait_queue_func_t,
    pub entry: list_head,
}

impl Default for wait_queue_entry {
    fn default() -> Self {
        Self {
            flags: 0,
            private: std::ptr::null_mut(),
            func: None,
            entry: list_head::default(),
        }
    }
}

#[repr(C)]
pub struct kthread_work {
    pub node: list_head,
    pub func: Option<unsafe extern "C" fn(*mut kthread_work)>,
    pub worker: *mut kthread_worker,
    pub canceling: c_int,
}

impl Default for kthread_work {
    fn default() -> Self {
        Self {
            node: list_head::default(),
            func: None,
            worker: std::ptr::null_mut(),
            canceling: 0,
        }
    }
}

pub struct timer_list {
    pub number: usize,
}

#[repr(C)]
pub struct kthread_delayed_work {
    pub work: kthread_work,
    pub timer: timer_list,
}

pub struct kthread_worker {
    pub lock: raw_spinlock,
    pub work_list: list_head,
    pub delayed_work_list: list_head,
    pub task: *mut task_struct,
    pub current_work: *mut kthread_work,
}

pub struct lock_class_key(pub u8);

pub struct lockdep_map(pub u8);

pub struct module {
    pub state: u32,
}

pub struct device {
    pub driver: *mut device_driver,
}

pub struct device_driver {
    pub owner: *mut module,
}

pub type __sighandler_t = Option<unsafe extern "C" fn(c_int)>;
