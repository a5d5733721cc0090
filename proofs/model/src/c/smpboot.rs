// SPDX-License-Identifier: GPL-2.0

//! kernel/smpboot.c, with CPUs that are all online.

use super::{kthread::*, lock::Sleeping, sched::*, types::*};
use crate::{ffi::*, machine};
use std::ptr::null_mut;

/// The number of CPUs.
pub const CPUS: usize = 1;

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
                    cleanup((*td).cpu, true);
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

/// # Safety
///
/// `ht` must be initialised, and valid until it is unregistered.
#[no_mangle]
pub unsafe extern "C" fn smpboot_register_percpu_thread(ht: *mut smp_hotplug_thread) -> c_int {
    let mut ret = 0;

    // SAFETY: The caller guarantees that `ht` is initialised and stays valid.
    unsafe {
        Sleeping::lock(&raw mut machine::machine().cpus_lock);
        Sleeping::lock(&raw mut machine::machine().smpboot_lock);
        for cpu in 0..CPUS {
            let td = Box::into_raw(Box::new(Data {
                cpu: cpu as c_uint,
                status: Status::None,
                ht,
            }));
            let task = kthread_create_on_cpu(
                Some(smpboot_thread_fn),
                td.cast(),
                cpu as c_uint,
                (*ht).thread_comm,
            );
            if let Err(error) = crate::error::from_err_ptr(task) {
                drop(Box::from_raw(td));
                // With more CPUs it stops the threads of the others here.
                assert!(cpu == 0);
                ret = error.to_errno();
                break;
            }
            // `kthread_set_per_cpu()`.
            (*task).kthread.flags |= 1 << KTHREAD_IS_PER_CPU;
            kthread_park(task);
            get_task_struct(task);
            *(*ht).store.add(cpu) = task;
            kthread_unpark(task);
        }
        Sleeping::unlock(&raw mut machine::machine().smpboot_lock);
        Sleeping::unlock(&raw mut machine::machine().cpus_lock);
    }
    ret
}

/// # Safety
///
/// `ht` must have been registered.
#[no_mangle]
pub unsafe extern "C" fn smpboot_unregister_percpu_thread(ht: *mut smp_hotplug_thread) {
    // SAFETY: The caller guarantees that `ht` has been registered.
    unsafe {
        Sleeping::lock(&raw mut machine::machine().cpus_lock);
        Sleeping::lock(&raw mut machine::machine().smpboot_lock);
        for cpu in 0..CPUS {
            let task = *(*ht).store.add(cpu);

            // `kthread_stop_put()`.
            kthread_stop(task);
            put_task_struct(task);
            *(*ht).store.add(cpu) = null_mut();
        }
        Sleeping::unlock(&raw mut machine::machine().smpboot_lock);
        Sleeping::unlock(&raw mut machine::machine().cpus_lock);
    }
}
