// SPDX-License-Identifier: GPL-2.0

//! The workers of kernel/kthread.c.

use super::{
    completion::{complete, init_completion, new_completion, wait_for_completion},
    freezer::{freezing, try_to_freeze},
    kthread::kthread_should_stop,
    lock::{_raw_spin_lock_irqsave, _raw_spin_unlock_irqrestore},
    sched::*,
    timer::{mod_timer, timer_delete_sync},
    types::*,
    wait::{init_list_head, list_add_tail, list_del_init, list_empty},
};
use crate::{ffi::*, machine};
use std::ptr::null_mut;

/// # Safety
///
/// `worker` must be valid for writes.
pub unsafe fn __kthread_init_worker(
    worker: *mut kthread_worker,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    // SAFETY: The caller guarantees that `worker` is valid for writes.
    unsafe {
        worker.write(kthread_worker {
            lock: raw_spinlock::new(),
            work_list: list_head::default(),
            delayed_work_list: list_head::default(),
            task: null_mut(),
            current_work: null_mut(),
        });
        init_list_head(&raw mut (*worker).work_list);
        init_list_head(&raw mut (*worker).delayed_work_list);
    }
}

unsafe fn lock(worker: *mut kthread_worker) {
    // SAFETY: The caller has a valid worker.
    unsafe { _raw_spin_lock_irqsave(&raw mut (*worker).lock) };
}

unsafe fn unlock(worker: *mut kthread_worker) {
    // SAFETY: The caller has locked the worker.
    unsafe { _raw_spin_unlock_irqrestore(&raw mut (*worker).lock, 0) };
}

/// # Safety
///
/// `data` must be a worker, and the current task its thread.
pub unsafe extern "C" fn kthread_worker_fn(data: *mut c_void) -> c_int {
    let worker = data.cast::<kthread_worker>();

    // SAFETY: The caller guarantees that `data` is a worker and that this is its thread.
    unsafe {
        machine::step("worker->task = current");
        (*worker).task = current();
        loop {
            set_current_state(TASK_INTERRUPTIBLE);
            if kthread_should_stop() {
                (*current()).__state = TASK_RUNNING;
                lock(worker);
                (*worker).task = null_mut();
                unlock(worker);
                return 0;
            }
            let mut work = null_mut::<kthread_work>();
            lock(worker);
            let list = &raw mut (*worker).work_list;
            if !list_empty(list) {
                work = crate::container_of!((*list).next, kthread_work, node);
                list_del_init(&raw mut (*work).node);
            }
            (*worker).current_work = work;
            unlock(worker);
            if work.is_null() {
                // Otherwise freezing would be left to the next work item.
                if freezing(current()) {
                    (*current()).__state = TASK_RUNNING;
                } else {
                    schedule();
                }
            } else {
                machine::step("work->func");
                machine::check(work, "a work item that runs");
                (*current()).__state = TASK_RUNNING;
                (*work).func.unwrap()(work);
                assert!((*current()).__state == TASK_RUNNING);
            }
            try_to_freeze();
            // `cond_resched()`.
            machine::step("cond_resched");
        }
    }
}

unsafe fn queuing_blocked(work: *mut kthread_work) -> bool {
    // SAFETY: The lock is held.
    unsafe { !list_empty(&raw mut (*work).node) || (*work).canceling != 0 }
}

unsafe fn kthread_insert_work_sanity_check(worker: *mut kthread_worker, work: *mut kthread_work) {
    // SAFETY: The lock is held.
    unsafe {
        assert!(
            list_empty(&raw mut (*work).node),
            "WARNING: a work item is queued twice"
        );
        assert!(
            (*work).worker.is_null() || (*work).worker == worker,
            "WARNING: a work item is queued to two workers"
        );
    }
}

unsafe fn kthread_insert_work(
    worker: *mut kthread_worker,
    work: *mut kthread_work,
    position: *mut list_head,
) {
    // SAFETY: The lock is held.
    unsafe {
        kthread_insert_work_sanity_check(worker, work);
        list_add_tail(&raw mut (*work).node, position);
        (*work).worker = worker;
        if (*worker).current_work.is_null() && !(*worker).task.is_null() {
            wake_up_process((*worker).task);
        }
    }
}

/// # Safety
///
/// `worker` and `work` must be initialised and stay valid.
pub unsafe fn kthread_queue_work(worker: *mut kthread_worker, work: *mut kthread_work) -> bool {
    // SAFETY: The caller guarantees that `worker` and `work` are initialised and stay valid.
    unsafe {
        lock(worker);
        let is_free = !queuing_blocked(work);
        if is_free {
            kthread_insert_work(worker, work, &raw mut (*worker).work_list);
        }
        unlock(worker);
        is_free
    }
}

/// # Safety
///
/// Only a timer of a `kthread_delayed_work` may call it.
pub unsafe extern "C" fn kthread_delayed_work_timer_fn(timer: *mut timer_list) {
    // SAFETY: The caller guarantees that `timer` is part of a `kthread_delayed_work`.
    unsafe {
        let dwork = crate::container_of!(timer, kthread_delayed_work, timer);
        let work = &raw mut (*dwork).work;
        let worker = (*work).worker;

        assert!(!worker.is_null());
        lock(worker);
        assert!((*work).worker == worker);
        assert!(
            !list_empty(&raw mut (*work).node),
            "WARNING: the timer of a work item that is not delayed ends"
        );
        list_del_init(&raw mut (*work).node);
        if (*work).canceling == 0 {
            kthread_insert_work(worker, work, &raw mut (*worker).work_list);
        }
        unlock(worker);
    }
}

unsafe fn __kthread_queue_delayed_work(
    worker: *mut kthread_worker,
    dwork: *mut kthread_delayed_work,
    delay: c_ulong,
) {
    // SAFETY: The lock is held.
    unsafe {
        let work = &raw mut (*dwork).work;

        if delay == 0 {
            kthread_insert_work(worker, work, &raw mut (*worker).work_list);
            return;
        }
        kthread_insert_work_sanity_check(worker, work);
        let list = &raw mut (*worker).delayed_work_list;
        list_add_tail(&raw mut (*work).node, (*list).next);
        (*work).worker = worker;
        mod_timer(&raw mut (*dwork).timer, delay);
    }
}

/// # Safety
///
/// `worker` and `dwork` must be initialised and stay valid.
pub unsafe fn kthread_queue_delayed_work(
    worker: *mut kthread_worker,
    dwork: *mut kthread_delayed_work,
    delay: c_ulong,
) -> bool {
    // SAFETY: The caller guarantees that `worker` and `dwork` are initialised and stay valid.
    unsafe {
        lock(worker);
        let is_free = !queuing_blocked(&raw mut (*dwork).work);
        if is_free {
            __kthread_queue_delayed_work(worker, dwork, delay);
        }
        unlock(worker);
        is_free
    }
}

#[repr(C)]
struct FlushWork {
    work: kthread_work,
    done: completion,
}

unsafe extern "C" fn kthread_flush_work_fn(work: *mut kthread_work) {
    // SAFETY: The item is part of a `FlushWork`, which its waiter keeps valid.
    unsafe { complete(&raw mut (*work.cast::<FlushWork>()).done) };
}

unsafe fn kthread_flush_work(work: *mut kthread_work) {
    // SAFETY: The caller has an initialised work item.
    unsafe {
        let worker = (*work).worker;
        if worker.is_null() {
            return;
        }
        let mut flush = FlushWork {
            work: kthread_work {
                func: Some(kthread_flush_work_fn),
                ..kthread_work::default()
            },
            done: new_completion(),
        };
        let flush = &raw mut flush;

        init_list_head(&raw mut (*flush).work.node);
        init_completion(&raw mut (*flush).done);
        lock(worker);
        let is_linked = !list_empty(&raw mut (*work).node);
        let runs = (*worker).current_work == work;
        if is_linked {
            kthread_insert_work(worker, &raw mut (*flush).work, (*work).node.next);
        } else if runs {
            kthread_insert_work(worker, &raw mut (*flush).work, (*worker).work_list.next);
        }
        unlock(worker);
        if is_linked || runs {
            wait_for_completion(&raw mut (*flush).done);
        }
    }
}

unsafe fn kthread_cancel_delayed_work_timer(work: *mut kthread_work) {
    // SAFETY: The lock is held.
    unsafe {
        let worker = (*work).worker;

        (*work).canceling += 1;
        unlock(worker);
        timer_delete_sync(&raw mut (*work.cast::<kthread_delayed_work>()).timer);
        lock(worker);
        (*work).canceling -= 1;
    }
}

unsafe fn __kthread_cancel_work(work: *mut kthread_work) -> bool {
    // SAFETY: The lock is held.
    unsafe {
        let is_linked = !list_empty(&raw mut (*work).node);

        if is_linked {
            list_del_init(&raw mut (*work).node);
        }
        is_linked
    }
}

/// # Safety
///
/// `worker` and `dwork` must be initialised and stay valid. Only breaks use this.
pub unsafe fn kthread_mod_delayed_work(
    worker: *mut kthread_worker,
    dwork: *mut kthread_delayed_work,
    delay: c_ulong,
) -> bool {
    // SAFETY: The caller guarantees that `worker` and `dwork` are initialised and stay valid.
    unsafe {
        let work = &raw mut (*dwork).work;
        let mut ret = false;

        lock(worker);
        if !(*work).worker.is_null() {
            kthread_cancel_delayed_work_timer(work);
            if (*work).canceling != 0 {
                unlock(worker);
                return true;
            }
            ret = __kthread_cancel_work(work);
        }
        __kthread_queue_delayed_work(worker, dwork, delay);
        unlock(worker);
        ret
    }
}

unsafe fn __kthread_cancel_work_sync(work: *mut kthread_work, is_delayed: bool) -> bool {
    // SAFETY: The caller has an initialised work item.
    unsafe {
        let worker = (*work).worker;
        if worker.is_null() {
            return false;
        }
        lock(worker);
        if is_delayed {
            kthread_cancel_delayed_work_timer(work);
        }
        let ret = __kthread_cancel_work(work);
        if (*worker).current_work == work {
            (*work).canceling += 1;
            unlock(worker);
            kthread_flush_work(work);
            lock(worker);
            (*work).canceling -= 1;
        }
        unlock(worker);
        ret
    }
}

/// # Safety
///
/// `work` must be initialised and stay valid.
pub unsafe fn kthread_cancel_work_sync(work: *mut kthread_work) -> bool {
    // SAFETY: The caller guarantees that `work` is initialised and stays valid.
    unsafe { __kthread_cancel_work_sync(work, false) }
}

/// # Safety
///
/// `dwork` must be initialised and stay valid.
pub unsafe fn kthread_cancel_delayed_work_sync(dwork: *mut kthread_delayed_work) -> bool {
    // SAFETY: The caller guarantees that `dwork` is initialised and stays valid.
    unsafe { __kthread_cancel_work_sync(&raw mut (*dwork).work, true) }
}
