// SPDX-License-Identifier: GPL-2.0

//! kernel/kthread.c, except its workers.

use super::{
    completion::{complete, init_completion, new_completion, wait_for_completion},
    sched::*,
    smpboot::cpu_online,
    types::*,
};
use crate::{
    error::{code::ENOMEM, from_err_ptr},
    ffi::*,
    machine::{self, Order},
};
use std::ptr::null_mut;

pub const KTHREAD_IS_PER_CPU: u32 = 0;
pub const KTHREAD_SHOULD_STOP: u32 = 1;
pub const KTHREAD_SHOULD_PARK: u32 = 2;
/// Only in the model.
pub const KTHREAD_IS_DEAD: u32 = 31;

/// # Safety
///
/// `word` must be valid.
pub unsafe fn test_bit(bit: u32, word: *mut c_ulong) -> bool {
    machine::check(word, "a word of bits");
    machine::loaded(word.addr(), Order::Relaxed);
    // SAFETY: The caller guarantees that `word` is valid.
    unsafe { *word >> bit & 1 != 0 }
}

/// # Safety
///
/// `word` must be valid.
pub unsafe fn set_bit(bit: c_ulong, word: *mut c_ulong) {
    machine::step("set_bit");
    machine::check(word, "a word of bits");
    // SAFETY: The caller guarantees that `word` is valid.
    unsafe { *word |= 1 << bit };
    machine::exchanged(word.addr(), Order::Relaxed);
}

/// # Safety
///
/// `word` must be valid.
pub unsafe fn clear_bit(bit: c_ulong, word: *mut c_ulong) {
    machine::step("clear_bit");
    machine::check(word, "a word of bits");
    // SAFETY: The caller guarantees that `word` is valid.
    unsafe { *word &= !(1 << bit) };
    machine::exchanged(word.addr(), Order::Relaxed);
}

unsafe fn to_kthread(task: *mut task_struct) -> *mut kthread {
    machine::check(task, "a task");
    // SAFETY: The caller has a valid task.
    unsafe {
        assert!((*task).kthread.is_kthread, "this is no kernel thread");
        &raw mut (*task).kthread
    }
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn kthread_should_stop() -> bool {
    machine::step("kthread_should_stop");
    // SAFETY: The caller guarantees that the current task is a kernel thread.
    unsafe { test_bit(KTHREAD_SHOULD_STOP, &raw mut (*to_kthread(current())).flags) }
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn kthread_should_park() -> bool {
    machine::step("kthread_should_park");
    // SAFETY: The caller guarantees that the current task is a kernel thread.
    unsafe { test_bit(KTHREAD_SHOULD_PARK, &raw mut (*to_kthread(current())).flags) }
}

/// # Safety
///
/// The task must be valid.
pub unsafe fn kthread_func(task: *mut task_struct) -> *mut c_void {
    // SAFETY: The caller guarantees that the task is valid.
    unsafe {
        match (*task).kthread.threadfn {
            Some(function) => function as *mut c_void,
            None => null_mut(),
        }
    }
}

/// # Safety
///
/// The task must be a kernel thread.
pub unsafe fn kthread_data(task: *mut task_struct) -> *mut c_void {
    // SAFETY: The caller guarantees that the task is a kernel thread.
    unsafe { (*to_kthread(task)).data }
}

unsafe fn __kthread_parkme(own: *mut kthread) {
    // SAFETY: The caller is that thread.
    unsafe {
        loop {
            // `set_special_state()`.
            set_current_state(TASK_PARKED);
            machine::step("test_bit(KTHREAD_SHOULD_PARK)");
            if !test_bit(KTHREAD_SHOULD_PARK, &raw mut (*own).flags) {
                break;
            }
            complete(&raw mut (*own).parked);
            schedule();
        }
        machine::step("__set_current_state");
        (*current()).__state = TASK_RUNNING;
    }
}

/// # Safety
///
/// The current task must be a kernel thread.
pub unsafe fn kthread_parkme() {
    // SAFETY: The caller guarantees that the current task is a kernel thread.
    unsafe { __kthread_parkme(to_kthread(current())) };
}

struct Create {
    done: completion,
    result: *mut task_struct,
}

type ThreadFn = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `kthread()`.
unsafe fn kthread_(create: *mut Create, task: *mut task_struct) {
    // SAFETY: The creator of the thread waits for this. The task is the current one.
    unsafe {
        let own = to_kthread(task);

        (*task).__state = TASK_UNINTERRUPTIBLE;
        (*create).result = task;
        complete(&raw mut (*create).done);
        schedule();

        let mut ret = -4;
        machine::step("test_bit(KTHREAD_SHOULD_STOP)");
        if !test_bit(KTHREAD_SHOULD_STOP, &raw mut (*own).flags) {
            __kthread_parkme(own);
            machine::machine().in_text += 1;
            ret = (*own).threadfn.unwrap()((*own).data);
            // Its last instructions must not be freed, either.
            machine::step("return");
            machine::machine().in_text -= 1;
            assert!(
                (*task).__state == TASK_RUNNING,
                "a thread returns in another state than TASK_RUNNING"
            );
        }
        do_exit_and_return(ret as c_long);
    }
}

/// # Safety
///
/// The new thread must be allowed to call `threadfn` with `data`.
pub unsafe fn kthread_create_on_node(
    threadfn: Option<ThreadFn>,
    data: *mut c_void,
    _node: c_int,
    format: *const c_char,
) -> *mut task_struct {
    might_sleep();
    // SAFETY: The caller passes a C string.
    let name = unsafe { std::ffi::CStr::from_ptr(format.cast()) }
        .to_str()
        .unwrap();
    // That of a per-CPU thread ends in the number of its CPU.
    assert!(!name.trim_end_matches("/%u").contains('%'));
    if !machine::has_memory() {
        // `ERR_PTR(-ENOMEM)`.
        return std::ptr::without_provenance_mut(ENOMEM.to_errno() as isize as usize);
    }

    let task = new_task(name, true);
    // SAFETY: The caller guarantees that the new thread may call `threadfn` with `data`. `create` stays
    // valid until the new thread completes it.
    unsafe {
        (*task).kthread.threadfn = threadfn;
        (*task).kthread.data = data;
        let create = Box::into_raw(Box::new(Create {
            done: new_completion(),
            result: null_mut(),
        }));
        init_completion(&raw mut (*create).done);
        machine::machine().running += 1;
        let (c, t) = (create.addr(), task.addr());
        let id = machine::spawn(move || {
            let task = t as *mut task_struct;

            kthread_(c as *mut Create, task)
        });
        (*task).id = id;
        machine::machine().tasks.insert(id, task);
        wait_for_completion(&raw mut (*create).done);
        let result = (*create).result;
        drop(Box::from_raw(create));
        result
    }
}

/// Fails if the CPU is offline, which C accepts, and `kthread/` promises not to do.
///
/// # Safety
///
/// The new thread must be allowed to call `threadfn` with `data`.
pub unsafe fn kthread_create_on_cpu(
    threadfn: Option<ThreadFn>,
    data: *mut c_void,
    cpu: c_uint,
    format: *const c_char,
) -> *mut task_struct {
    // SAFETY: The caller guarantees that the new thread may call `threadfn` with `data`.
    let task = unsafe { create_on_any_cpu(threadfn, data, cpu, format) };

    assert!(
        cpu_online(cpu),
        "a task is bound to a CPU that went offline"
    );
    task
}

/// The same for a CPU that is coming online.
///
/// # Safety
///
/// As above.
pub unsafe fn create_on_any_cpu(
    threadfn: Option<ThreadFn>,
    data: *mut c_void,
    cpu: c_uint,
    format: *const c_char,
) -> *mut task_struct {
    // SAFETY: The caller guarantees that the new thread may call `threadfn` with `data`.
    let task = unsafe { kthread_create_on_node(threadfn, data, 0, format) };

    if from_err_ptr(task).is_ok() {
        // SAFETY: The task was just created.
        unsafe { kthread_bind(task, cpu) };
    }
    task
}

unsafe fn __kthread_bind(task: *mut task_struct, state: u32) {
    // SAFETY: The caller has a valid task.
    unsafe {
        assert!(
            wait_task_inactive(task, state),
            "WARNING: a task is bound that is not in state {state}"
        );
        (*task).flags |= PF_NO_SETAFFINITY;
    }
}

/// # Safety
///
/// The task must be new.
pub unsafe fn kthread_bind(task: *mut task_struct, _cpu: c_uint) {
    // SAFETY: The caller guarantees that the task is new.
    unsafe { __kthread_bind(task, TASK_UNINTERRUPTIBLE) };
}

/// # Safety
///
/// The task must be a kernel thread that does not exit during the call.
pub unsafe fn kthread_unpark(task: *mut task_struct) {
    // SAFETY: The caller guarantees that the task is a kernel thread that does not exit now.
    unsafe {
        let own = to_kthread(task);

        machine::step("kthread_unpark");
        if !test_bit(KTHREAD_SHOULD_PARK, &raw mut (*own).flags) {
            return;
        }
        if test_bit(KTHREAD_IS_PER_CPU, &raw mut (*own).flags) {
            __kthread_bind(task, TASK_PARKED);
        }
        clear_bit(KTHREAD_SHOULD_PARK as c_ulong, &raw mut (*own).flags);
        machine::step("wake_up_state(TASK_PARKED)");
        try_to_wake_up(task, TASK_PARKED);
    }
}

/// # Safety
///
/// The task must be a kernel thread that does not exit during the call.
pub unsafe fn kthread_park(task: *mut task_struct) -> c_int {
    // SAFETY: The caller guarantees that the task is a kernel thread that does not exit now.
    unsafe {
        let own = to_kthread(task);

        machine::step("kthread_park");
        if machine::machine().dies_in_park {
            return -38;
        }
        assert!(
            (*task).flags & PF_EXITING == 0,
            "WARNING: kthread_park() of a thread that exits"
        );
        machine::step("kthread_park");
        assert!(
            !test_bit(KTHREAD_SHOULD_PARK, &raw mut (*own).flags),
            "WARNING: kthread_park() of a thread that is asked to park"
        );
        set_bit(KTHREAD_SHOULD_PARK as c_ulong, &raw mut (*own).flags);
        if task != current() {
            wake_up_process(task);
            wait_for_completion(&raw mut (*own).parked);
            assert!(
                wait_task_inactive(task, TASK_PARKED),
                "WARNING: kthread_park() of a thread that does not stay parked"
            );
        }
        0
    }
}

/// # Safety
///
/// The task must be a kernel thread, and the caller must have a reference to it.
pub unsafe fn kthread_stop(task: *mut task_struct) -> c_int {
    // SAFETY: The caller guarantees that the task is a kernel thread and that there is a reference
    // to it.
    unsafe {
        machine::step("kthread_stop");
        get_task_struct(task);
        let own = to_kthread(task);
        set_bit(KTHREAD_SHOULD_STOP as c_ulong, &raw mut (*own).flags);
        kthread_unpark(task);
        set_bit(
            TIF_NOTIFY_SIGNAL as c_ulong,
            &raw mut (*task).thread_info.flags,
        );
        wake_up_process(task);
        wait_for_completion(&raw mut (*own).exited);
        let ret = (*own).result;
        put_task_struct(task);
        ret
    }
}

/// kernel/module/main.c.
///
/// # Safety
///
/// The caller must have a reference to the module, and nothing left to drop.
pub unsafe fn __module_put_and_kthread_exit(module: *mut module, code: c_long) -> ! {
    // SAFETY: The caller guarantees that there is a reference to the module.
    unsafe { module_put(module) };
    do_exit(code)
}

/// # Safety
///
/// The module must be valid.
pub unsafe fn try_module_get(_module: *mut module) -> bool {
    machine::step("try_module_get");
    machine::machine().module_references += 1;
    true
}

/// # Safety
///
/// The caller must have a reference to the module.
pub unsafe fn module_put(_module: *mut module) {
    machine::step("module_put");
    machine::machine().module_references -= 1;
}
