// SPDX-License-Identifier: GPL-2.0

//! kernel/time/timer.c. A timer expires in an interrupt on some CPU, at any step.

use super::{
    sched::{try_to_wake_up, TASK_NORMAL},
    types::*,
};
use crate::{ffi::*, machine};
use std::{cell::Cell, rc::Rc};

#[derive(Default)]
pub struct State {
    function: Option<unsafe extern "C" fn(*mut timer_list)>,
    is_pending: bool,
    is_running: bool,
    /// The number of starts.
    started: usize,
    expires: i64,
}

/// A task of the model that stands for an interrupt.
fn interrupt(f: impl FnOnce() + 'static) {
    machine::machine().running += 1;
    machine::spawn(move || {
        let task = super::sched::new_task("interrupt", false);
        let id = machine::current_id();

        // SAFETY: The task was just created. It counts as holding a spinlock, so that it must not sleep.
        unsafe {
            (*task).id = id;
            (*task).atomic = 1;
        }
        machine::machine().tasks.insert(id, task);
        f();
        machine::machine().tasks.remove(&id);
        // SAFETY: Nothing else uses the task.
        unsafe {
            (*task).__state = super::sched::TASK_DEAD;
            super::sched::put_task_struct(task);
        }
        machine::exited();
    });
}

pub struct Wakes(Rc<Cell<bool>>, Rc<Cell<bool>>);

impl Wakes {
    /// Stops the timer, and returns whether it has ended.
    pub fn stop(self) -> bool {
        self.1.set(true);
        self.0.get()
    }
}

/// The timer on the stack of a task that sleeps with a timeout.
pub fn wake_up_after(task: *mut task_struct, nanos: i64) -> Wakes {
    let (ended, stopped) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let wakes = Wakes(ended.clone(), stopped.clone());
    let deadline = machine::machine().now_ns + nanos;

    interrupt(move || {
        if stopped.get() || machine::machine().is_over {
            return;
        }
        machine::machine().now_ns = machine::machine().now_ns.max(deadline);
        ended.set(true);
        // SAFETY: The task has not stopped the timer, so it sleeps or is about to.
        unsafe { try_to_wake_up(task, TASK_NORMAL) };
    });
    wakes
}

/// # Safety
///
/// `timer` must be valid for writes.
pub unsafe fn timer_init_key(
    timer: *mut timer_list,
    function: Option<unsafe extern "C" fn(*mut timer_list)>,
    _flags: u32,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    let timers = &mut machine::machine().timers;

    timers.push(State {
        function,
        ..State::default()
    });
    // SAFETY: The caller guarantees that `timer` is valid for writes.
    unsafe {
        timer.write(timer_list {
            number: timers.len() - 1,
        })
    };
}

fn state(number: usize) -> &'static mut State {
    &mut machine::machine().timers[number]
}

/// # Safety
///
/// The timer must be initialised.
pub unsafe fn mod_timer(timer: *mut timer_list, expires: c_ulong) -> c_int {
    machine::check(timer, "a timer");
    // SAFETY: The caller guarantees that the timer is initialised.
    let number = unsafe { (*timer).number };
    let was_pending = state(number).is_pending;

    state(number).is_pending = true;
    state(number).started += 1;
    state(number).expires = expires as i64 * 1_000_000;
    let started = state(number).started;
    interrupt(move || {
        if !state(number).is_pending || state(number).started != started {
            return;
        }
        machine::check(timer, "a timer that ends");
        let now = &mut machine::machine().now_ns;
        *now = (*now).max(state(number).expires);
        state(number).is_pending = false;
        state(number).is_running = true;
        // SAFETY: The timer is valid while it is pending or runs.
        unsafe { state(number).function.unwrap()(timer) };
        state(number).is_running = false;
    });
    c_int::from(was_pending)
}

/// # Safety
///
/// The timer must be initialised.
pub unsafe fn timer_delete_sync_try(timer: *mut timer_list) -> c_int {
    machine::check(timer, "a timer");
    machine::step("timer_delete_sync_try");
    // SAFETY: The caller guarantees that the timer is initialised.
    let state = state(unsafe { (*timer).number });

    if state.is_running {
        return -1;
    }
    c_int::from(std::mem::take(&mut state.is_pending))
}

/// # Safety
///
/// The timer must be initialised.
pub unsafe fn timer_delete_sync(timer: *mut timer_list) -> c_int {
    loop {
        // SAFETY: The caller guarantees that the timer is initialised.
        match unsafe { timer_delete_sync_try(timer) } {
            -1 => machine::give_way(),
            ret => return ret,
        }
    }
}
