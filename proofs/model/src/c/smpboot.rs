// SPDX-License-Identifier: GPL-2.0

//! kernel/smpboot.c, and what kernel/cpu.c does about its threads.
//!
//! Tasks run without CPUs here: one that is offline has its threads parked.

use super::{kthread::*, lock::Sleeping, sched::*, types::*};
use crate::{ffi::*, machine};
use std::ptr::null_mut;

/// The number of CPUs.
pub const CPUS: usize = 1;

pub static mut __cpu_online_mask: cpumask = cpumask {
    bits: [(1 << CPUS) - 1],
};

pub fn cpu_online(cpu: c_uint) -> bool {
    // SAFETY: There is only one thread.
    unsafe { __cpu_online_mask.bits[0] >> cpu & 1 != 0 }
}

fn set_cpu_online(cpu: c_uint, online: bool) {
    machine::step("set_cpu_online");
    // SAFETY: As above.
    unsafe {
        __cpu_online_mask.bits[0] &= !(1 << cpu);
        __cpu_online_mask.bits[0] |= c_ulong::from(online) << cpu;
    }
}

/// Excludes other readers as well, which C does not.
///
/// # Safety
///
/// The caller must be allowed to sleep.
pub unsafe fn cpus_read_lock() {
    // SAFETY: The lock stays valid.
    unsafe { Sleeping::lock(&raw mut machine::machine().cpus_lock) };
}

/// # Safety
///
/// The caller must hold the lock.
pub unsafe fn cpus_read_unlock() {
    // SAFETY: The caller guarantees that it holds the lock.
    unsafe { Sleeping::unlock(&raw mut machine::machine().cpus_lock) };
}

/// `struct smp_hotplug_thread`.
#[repr(C)]
pub struct smp_hotplug_thread {
    store: *mut *mut task_struct,
    list: list_head,
    thread_should_run: Option<unsafe extern "C" fn(c_uint) -> c_int>,
    thread_fn: Option<unsafe extern "C" fn(c_uint)>,
    create: Option<unsafe extern "C" fn(c_uint)>,
    setup: Option<unsafe extern "C" fn(c_uint)>,
    cleanup: Option<unsafe extern "C" fn(c_uint, bool)>,
    park: Option<unsafe extern "C" fn(c_uint)>,
    unpark: Option<unsafe extern "C" fn(c_uint)>,
    selfparking: bool,
    thread_comm: *const c_char,
}

#[derive(PartialEq, Eq)]
enum Status {
    None,
    Active,
    Parked,
}

struct Data {
    cpu: c_uint,
    status: Status,
    ht: *mut smp_hotplug_thread,
}

unsafe extern "C" fn smpboot_thread_fn(data: *mut c_void) -> c_int {
    // SAFETY: `__smpboot_create_thread()` has made the data.
    unsafe {
        let td = data.cast::<Data>();
        let ht = (*td).ht;

        loop {
            set_current_state(TASK_INTERRUPTIBLE);
            if kthread_should_stop() {
                (*current()).__state = TASK_RUNNING;
                if let (Some(cleanup), true) = ((*ht).cleanup, (*td).status != Status::None) {
                    cleanup((*td).cpu, cpu_online((*td).cpu));
                }
                drop(Box::from_raw(td));
                return 0;
            }
            if kthread_should_park() {
                (*current()).__state = TASK_RUNNING;
                if let (Some(park), true) = ((*ht).park, (*td).status == Status::Active) {
                    park((*td).cpu);
                    (*td).status = Status::Parked;
                }
                kthread_parkme();
                continue;
            }
            match (*td).status {
                Status::None => {
                    (*current()).__state = TASK_RUNNING;
                    if let Some(setup) = (*ht).setup {
                        setup((*td).cpu);
                    }
                    (*td).status = Status::Active;
                    continue;
                }
                Status::Parked => {
                    (*current()).__state = TASK_RUNNING;
                    if let Some(unpark) = (*ht).unpark {
                        unpark((*td).cpu);
                    }
                    (*td).status = Status::Active;
                    continue;
                }
                Status::Active => {}
            }
            if (*ht).thread_should_run.unwrap()((*td).cpu) == 0 {
                schedule();
            } else {
                machine::step("__set_current_state");
                (*current()).__state = TASK_RUNNING;
                (*ht).thread_fn.unwrap()((*td).cpu);
            }
        }
    }
}

unsafe fn __smpboot_create_thread(ht: *mut smp_hotplug_thread, cpu: c_uint) -> c_int {
    // SAFETY: The caller has a valid `ht`, and the lock.
    unsafe {
        let store = (*ht).store.add(cpu as usize);
        if !(*store).is_null() {
            return 0;
        }
        let td = Box::into_raw(Box::new(Data {
            cpu,
            status: Status::None,
            ht,
        }));
        let task = create_on_any_cpu(Some(smpboot_thread_fn), td.cast(), cpu, (*ht).thread_comm);

        if let Err(error) = crate::error::from_err_ptr(task) {
            drop(Box::from_raw(td));
            return error.to_errno();
        }
        // `kthread_set_per_cpu()`.
        (*task).kthread.flags |= 1 << KTHREAD_IS_PER_CPU;
        kthread_park(task);
        get_task_struct(task);
        *store = task;
    }
    0
}

unsafe fn smpboot_destroy_threads(ht: *mut smp_hotplug_thread) {
    for cpu in 0..CPUS {
        // SAFETY: The caller has a valid `ht`, and the lock.
        unsafe {
            let store = (*ht).store.add(cpu);
            let task = *store;

            if !task.is_null() {
                // `kthread_stop_put()`.
                kthread_stop(task);
                put_task_struct(task);
                *store = null_mut();
            }
        }
    }
}

/// # Safety
///
/// `ht` must be initialised, and valid until it is unregistered.
#[no_mangle]
pub unsafe extern "C" fn smpboot_register_percpu_thread(ht: *mut smp_hotplug_thread) -> c_int {
    // SAFETY: The caller guarantees that `ht` is initialised and stays valid.
    unsafe {
        cpus_read_lock();
        Sleeping::lock(&raw mut machine::machine().smpboot_lock);
        let mut ret = 0;
        for cpu in (0..CPUS as c_uint).filter(|cpu| cpu_online(*cpu)) {
            ret = __smpboot_create_thread(ht, cpu);
            if ret != 0 {
                smpboot_destroy_threads(ht);
                break;
            }
            kthread_unpark(*(*ht).store.add(cpu as usize));
        }
        if ret == 0 {
            machine::machine().hotplug_threads.insert(0, ht);
        }
        Sleeping::unlock(&raw mut machine::machine().smpboot_lock);
        cpus_read_unlock();
        ret
    }
}

/// # Safety
///
/// `ht` must have been registered.
#[no_mangle]
pub unsafe extern "C" fn smpboot_unregister_percpu_thread(ht: *mut smp_hotplug_thread) {
    // SAFETY: The caller guarantees that `ht` has been registered.
    unsafe {
        cpus_read_lock();
        Sleeping::lock(&raw mut machine::machine().smpboot_lock);
        machine::machine()
            .hotplug_threads
            .retain(|other| *other != ht);
        smpboot_destroy_threads(ht);
        Sleeping::unlock(&raw mut machine::machine().smpboot_lock);
        cpus_read_unlock();
    }
}

/// Calls `f` with each registered `ht`, under the lock.
fn for_each_thread(is_reverse: bool, mut f: impl FnMut(*mut smp_hotplug_thread)) {
    // SAFETY: The lock stays valid.
    unsafe { Sleeping::lock(&raw mut machine::machine().smpboot_lock) };
    let mut threads = machine::machine().hotplug_threads.clone();
    if is_reverse {
        threads.reverse();
    }
    threads.into_iter().for_each(&mut f);
    // SAFETY: The lock was taken above.
    unsafe { Sleeping::unlock(&raw mut machine::machine().smpboot_lock) };
}

/// The steps of `_cpu_down()` that concern threads. The lock is `cpus_write_lock()`.
pub fn cpu_down(cpu: c_uint) {
    // SAFETY: What is registered is valid, and has its threads.
    unsafe {
        cpus_read_lock();
        // `smpboot_park_threads()`.
        for_each_thread(true, |ht| {
            let task = *(*ht).store.add(cpu as usize);

            if !task.is_null() {
                kthread_park(task);
            }
        });
        set_cpu_online(cpu, false);
        cpus_read_unlock();
    }
}

/// The steps of `_cpu_up()` that concern threads.
pub fn cpu_up(cpu: c_uint) {
    // SAFETY: What is registered is valid, and gets its threads here.
    unsafe {
        cpus_read_lock();
        // `smpboot_create_threads()`.
        for_each_thread(false, |ht| assert!(__smpboot_create_thread(ht, cpu) == 0));
        set_cpu_online(cpu, true);
        // `smpboot_unpark_threads()`.
        for_each_thread(false, |ht| kthread_unpark(*(*ht).store.add(cpu as usize)));
        cpus_read_unlock();
    }
}
