// SPDX-License-Identifier: GPL-2.0

//! Short scripts of calls to C, with their expected results.
//!
//! They run on the kernel, in this module, and on its model in proofs/model/, so that both agree.

use kernel::{
    bindings,
    prelude::*,
    sync::aref::ARef,
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

const INTERRUPTIBLE: i64 = bindings::TASK_INTERRUPTIBLE as i64;
const UNINTERRUPTIBLE: i64 = bindings::TASK_UNINTERRUPTIBLE as i64;
const PARKED: i64 = 0x40;

/// Returns 7.
///
/// # Safety
///
/// None.
unsafe extern "C" fn returns(_: *mut c_void) -> c_int {
    7
}

/// Sleeps and parks until the thread is asked to stop, and returns 42.
///
/// # Safety
///
/// Only a kernel thread may call it.
unsafe extern "C" fn until_stopped(_: *mut c_void) -> c_int {
    // SAFETY: The caller guarantees that this is a kernel thread, and it sets its own state.
    unsafe {
        let state = &raw mut (*Task::current_raw()).__state;

        loop {
            state.write_volatile(bindings::TASK_INTERRUPTIBLE);
            bindings::smp_mb();
            if bindings::kthread_should_stop() {
                state.write_volatile(bindings::TASK_RUNNING);
                return 42;
            }
            if bindings::kthread_should_park() {
                state.write_volatile(bindings::TASK_RUNNING);
                bindings::kthread_parkme();
            } else {
                bindings::schedule();
            }
        }
    }
}

/// Returns the result of an interruptible wait for a completion.
///
/// # Safety
///
/// `data` must point to a completion.
unsafe extern "C" fn waits(data: *mut c_void) -> c_int {
    // SAFETY: The caller guarantees that `data` points to a completion.
    unsafe { bindings::wait_for_completion_interruptible(data.cast()) }
}

/// A work item that completes the completion that follows it.
#[repr(C)]
struct Completes {
    work: bindings::kthread_delayed_work,
    done: bindings::completion,
}

/// Completes the completion behind `work`.
///
/// # Safety
///
/// `work` must be the first field of a [`Completes`].
unsafe extern "C" fn completes(work: *mut bindings::kthread_work) {
    // SAFETY: The caller guarantees that `work` is the first field of a [`Completes`].
    unsafe { bindings::complete(&raw mut (*work.cast::<Completes>()).done) };
}

/// Compares the results of calls with the expected ones.
struct Script<'a> {
    name: &'static str,
    step: u32,
    tell: &'a dyn Fn(&str, u32, i64, i64),
}

impl Script<'_> {
    fn is(&mut self, found: impl Into<i64>, wanted: i64) {
        self.step += 1;
        (self.tell)(self.name, self.step, found.into(), wanted);
    }

    /// Waits until the task sleeps in this state.
    fn gets_to(&mut self, task: &Task, wanted: i64) {
        let mut found = -1;

        for _ in 0..1000 {
            found = state(task);
            if found == wanted {
                break;
            }
            fsleep(Delta::from_millis(10));
        }
        self.is(found, wanted);
    }
}

fn state(task: &Task) -> i64 {
    // SAFETY: The caller holds a reference to the task.
    i64::from(unsafe { (&raw const (*task.as_ptr()).__state).read_volatile() })
}

type ThreadFn = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Creates a thread and does not wake it.
fn create(function: ThreadFn, data: *mut c_void) -> Result<ARef<Task>> {
    // SAFETY: The function may be called with the data, and the format takes no arguments.
    let task = kernel::error::from_err_ptr(unsafe {
        bindings::kthread_create_on_node(
            Some(function),
            data,
            bindings::NUMA_NO_NODE,
            c"calls".as_char_ptr(),
        )
    })?;

    // SAFETY: The task does not exit before it is woken.
    Ok(ARef::from(unsafe { &*task.cast::<Task>() }))
}

/// Runs all scripts, and calls `tell` with name, step, result and expected result.
pub(crate) fn run(tell: &dyn Fn(&str, u32, i64, i64)) -> Result {
    let script = |name| Script {
        name,
        step: 0,
        tell,
    };

    // SAFETY: There is a reference to each task, and each is stopped once. Everything else is
    // initialised before its use, and not used after its thread has been stopped.
    unsafe {
        {
            let mut s = script("stop of a thread that is new");
            let task = create(until_stopped, core::ptr::null_mut())?;
            s.gets_to(&task, UNINTERRUPTIBLE);
            s.is(bindings::kthread_stop(task.as_ptr()), -4);
        }
        {
            let mut s = script("stop of a thread that sleeps");
            let task = create(until_stopped, core::ptr::null_mut())?;
            s.gets_to(&task, UNINTERRUPTIBLE);
            s.is(bindings::wake_up_process(task.as_ptr()), 1);
            s.gets_to(&task, INTERRUPTIBLE);
            s.is(bindings::kthread_stop(task.as_ptr()), 42);
            s.is(bindings::wake_up_process(task.as_ptr()), 0);
        }
        {
            let mut s = script("stop of a thread that has returned");
            let task = create(returns, core::ptr::null_mut())?;
            let exited = (*task.as_ptr()).vfork_done;
            s.gets_to(&task, UNINTERRUPTIBLE);
            s.is(bindings::wake_up_process(task.as_ptr()), 1);
            bindings::wait_for_completion(exited);
            bindings::complete(exited);
            s.is(bindings::kthread_stop(task.as_ptr()), 7);
        }
        {
            let mut s = script("park of a thread that is new");
            let task = create(until_stopped, core::ptr::null_mut())?;
            s.is(bindings::kthread_park(task.as_ptr()), 0);
            s.is(state(&task), PARKED);
            s.is(bindings::kthread_stop(task.as_ptr()), 42);
        }
        {
            let mut s = script("park of a thread that sleeps");
            let task = create(until_stopped, core::ptr::null_mut())?;
            s.gets_to(&task, UNINTERRUPTIBLE);
            bindings::wake_up_process(task.as_ptr());
            s.is(bindings::kthread_park(task.as_ptr()), 0);
            s.is(state(&task), PARKED);
            s.is(bindings::wake_up_process(task.as_ptr()), 0);
            s.is(state(&task), PARKED);
            bindings::kthread_unpark(task.as_ptr());
            bindings::kthread_unpark(task.as_ptr());
            s.gets_to(&task, INTERRUPTIBLE);
            s.is(bindings::kthread_park(task.as_ptr()), 0);
            s.is(bindings::kthread_stop(task.as_ptr()), 42);
        }
        {
            let mut s = script("stop of a thread that waits for a completion");
            let done = KBox::new(Opaque::<bindings::completion>::uninit(), GFP_KERNEL)?;
            bindings::init_completion(done.get());
            let task = create(waits, done.get().cast())?;
            s.gets_to(&task, UNINTERRUPTIBLE);
            bindings::wake_up_process(task.as_ptr());
            s.gets_to(&task, INTERRUPTIBLE);
            s.is(bindings::kthread_stop(task.as_ptr()), -512);
            s.is(bindings::completion_done(done.get()), 0);
        }
        {
            let mut s = script("completions");
            let done = KBox::new(Opaque::<bindings::completion>::uninit(), GFP_KERNEL)?;
            let done = done.get();
            bindings::init_completion(done);
            s.is(bindings::try_wait_for_completion(done), 0);
            s.is(bindings::wait_for_completion_timeout(done, 1) as i64, 0);
            bindings::complete(done);
            bindings::complete(done);
            s.is((*done).done, 2);
            s.is(bindings::completion_done(done), 1);
            s.is(bindings::wait_for_completion_timeout(done, 5) as i64, 5);
            s.is(bindings::wait_for_completion_interruptible(done), 0);
            s.is((*done).done, 0);
            bindings::complete_all(done);
            bindings::complete(done);
            s.is((*done).done, i64::from(u32::MAX));
            bindings::wait_for_completion(done);
            s.is((*done).done, i64::from(u32::MAX));
        }
        {
            let mut s = script("works");
            let worker = KBox::new(Opaque::<bindings::kthread_worker>::uninit(), GFP_KERNEL)?;
            let completes = KBox::new(Opaque::<Completes>::uninit(), GFP_KERNEL)?;
            let (worker, item) = (worker.get(), completes.get());
            // To lockdep the timer is a lock that is held while its function runs.
            let lock = kernel::static_lock_class!();
            let timer = kernel::static_lock_class!();
            bindings::__kthread_init_worker(worker, c"calls".as_char_ptr(), lock.as_ptr());
            let work = &raw mut (*item).work.work;
            work.write(bindings::kthread_work::default());
            (*work).node.next = &raw mut (*work).node;
            (*work).node.prev = &raw mut (*work).node;
            (*work).func = Some(self::completes);
            bindings::timer_init_key(
                &raw mut (*item).work.timer,
                Some(bindings::kthread_delayed_work_timer_fn),
                bindings::TIMER_IRQSAFE,
                c"calls".as_char_ptr(),
                timer.as_ptr(),
            );
            let done = &raw mut (*item).done;
            bindings::init_completion(done);

            let task = create(bindings::kthread_worker_fn, worker.cast())?;
            s.gets_to(&task, UNINTERRUPTIBLE);
            s.is(bindings::kthread_queue_work(worker, work), 1);
            s.is(bindings::kthread_queue_work(worker, work), 0);
            s.is(bindings::kthread_cancel_work_sync(work), 1);
            s.is(bindings::kthread_cancel_work_sync(work), 0);
            s.is(bindings::kthread_queue_work(worker, work), 1);
            bindings::wake_up_process(task.as_ptr());
            bindings::wait_for_completion(done);
            s.is(bindings::kthread_cancel_work_sync(work), 0);
            let dwork = &raw mut (*item).work;
            s.is(bindings::kthread_queue_delayed_work(worker, dwork, 0), 1);
            bindings::wait_for_completion(done);
            s.is(bindings::kthread_queue_delayed_work(worker, dwork, 1), 1);
            bindings::wait_for_completion(done);
            s.gets_to(&task, INTERRUPTIBLE);
            s.is(bindings::kthread_stop(task.as_ptr()), 0);
        }
    }
    Ok(())
}
