// SPDX-License-Identifier: GPL-2.0

//! The protocols, each between two or three parties.
//!
//! Besides failed assertions, an execution fails if it deadlocks, if C warns, if freed memory is
//! used, if two tasks access a cell at once, or if a task or an allocation is left at the end.

use crate::{
    bindings,
    c::{freezer, sched, signal, smpboot, types::task_struct},
    cell::UnsafeCell,
    cpumask::Cpumask,
    kthread::*,
    machine, new_mutex,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
    time::Delta,
};
use std::{
    cell::{Cell, RefCell},
    mem::forget,
    rc::Rc,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        Arc as HostArc,
    },
};

thread_local! {
    static MAY_LEAK: Cell<bool> = const { Cell::new(false) };
}

/// Checks the end of each execution.
pub fn finish() {
    machine::wait_for_all();
    let live = machine::machine().live;
    let references = machine::machine().module_references;

    // The task of the test itself is left.
    assert!(
        MAY_LEAK.take() || live == 1,
        "{} allocations are left",
        live - 1
    );
    assert!(
        references == 0,
        "{references} references to the module are left"
    );
    machine::end();
}

macro_rules! all {
    ($($name:ident $bound:literal)*) => {
        /// Name, test, and the maximum number of preemptions: one more takes minutes.
        pub const ALL: &[(&str, fn(), usize)] = &[$((stringify!($name), $name, $bound)),*];
    };
}

all! {
    spawn_join 4
    spawn_stop 3
    new_is_dropped 4
    wake_wait 3
    wake_start 3
    two_wake 2
    wake_stop 3
    own_waker 2
    start_close 2
    new_close 2
    start_asked 1
    all_asked_first 2
    stop_beats_token 3
    join_close 2
    stop_close 2
    park_unpark_stop 3
    park_return 3
    park_returned_close 3
    park_close 2
    park_close_apart 2
    park_wake 2
    unpark_close 2
    park_is_dropped 2
    stop_unparks 2
    park_dead 3
    park_dies 3
    parks_itself 2
    foreign_sleep 3
    joined_in_foreign_sleep 1
    join_passes_stop_on 2
    interrupt_wait 3
    interrupt_sleep 2
    interrupt_stop 2
    detach_return 3
    member_leaves 3
    detached_members_leave 1
    members_leave_together 1
    scope_borrows 2
    scope_drops_leaked 2
    scope_drops_returned 2
    scope_handle_dropped_within 2
    create_close 2
    members_close 1
    member_stops_group 1
    module_ends_groups 2
    detached 2
    two_wait_for_exit 1
    death_ends_join 3
    death_ends_worker 2
    death_ends_two_flushes 2
    death_ends_cancel 2
    completion_counts 2
    timeout_wake 2
    wait_queue 2
    wait_queue_park 2
    work_runs 2
    work_flush 2
    work_cancel 2
    work_cancel_queue 2
    work_cancel_self_queueing 2
    delayed_drop 2
    delayed_cancel 2
    delayed_modify 2
    delayed_modified_by_two 2
    cancel_close 1
    call_value 2
    call_close 2
    queue_close 2
    queue_close_later 1
    worker_stop_ends_sleep 2
    pool_waits 1
    percpu_wake 2
    percpu_wake_again 2
    percpu_stop_ends_sleep 2
    percpu_asked_first 1
    percpu_close 2
    hotplug_wake 2
    hotplug_stop 2
    hotplug_first 2
    hotplug_stop_ends_sleep 2
    hotplug_bound 2
    hotplug_within 1
    hotplug_close 0
    signal_wait 3
    signal_wake 2
    signal_again 2
    two_signals 2
    signal_stop 2
    signal_sleep 2
    signal_kills 2
    freeze_thawed 2
    freeze_wait 2
    freeze_park 2
    freeze_return 2
    freeze_stop 2
    freeze_work 2
    spawn_fails 2
    scope_fails 2
    detached_fails 2
    work_fails 1
    pool_fails 0
    percpu_fails 1
    calls 0
}

/// Counts its drops.
struct Counted(HostArc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Checks at the end that each of several values was dropped once.
#[derive(Default)]
struct Drops(Vec<HostArc<AtomicUsize>>);

impl Drops {
    fn new() -> Self {
        Self::default()
    }

    fn one(&mut self) -> Counted {
        let count = HostArc::new(AtomicUsize::new(0));

        self.0.push(count.clone());
        Counted(count)
    }

    fn so_far(&self) -> usize {
        self.0.iter().map(|count| count.load(SeqCst)).sum()
    }
}

impl Drop for Drops {
    fn drop(&mut self) {
        for count in &self.0 {
            assert_eq!(count.load(SeqCst), 1, "how often a value was dropped");
        }
    }
}

/// A counter whose accesses are not steps.
#[derive(Clone, Default)]
struct Count(HostArc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Data that one task writes before it publishes it, and another reads after.
#[derive(Clone)]
struct Data(HostArc<Shared>);

struct Shared(UnsafeCell<u32>);

// SAFETY: The model finds concurrent accesses.
unsafe impl Send for Shared {}

// SAFETY: As above.
unsafe impl Sync for Shared {}

impl Data {
    fn new() -> Self {
        Self(HostArc::new(Shared(UnsafeCell::new(0))))
    }

    #[track_caller]
    fn write(&self, value: u32) {
        // SAFETY: As above.
        unsafe { *self.0 .0.get() = value };
    }

    #[track_caller]
    fn read(&self) -> u32 {
        // SAFETY: As above.
        unsafe { *self.0 .0.get_to_read() }
    }
}

/// A task other than a thread of `kthread/`, which runs beside the test.
struct Other<T>(Rc<State<T>>);

struct State<T> {
    value: Cell<Option<T>>,
    waiter: Cell<Option<usize>>,
    clock: RefCell<machine::Clock>,
}

impl<T: 'static> Other<T> {
    fn new(name: &'static str, f: impl FnOnce() -> T + 'static) -> Self {
        let state = Rc::new(State {
            value: Cell::new(None),
            waiter: Cell::new(None),
            clock: RefCell::default(),
        });
        let own = state.clone();

        machine::machine().running += 1;
        machine::spawn(move || {
            sched::become_task(name);
            own.value.set(Some(f()));
            machine::release(&mut own.clock.borrow_mut());
            if let Some(waiter) = own.waiter.take() {
                machine::unblock(waiter);
            }
            sched::end_task();
        });
        Self(state)
    }

    fn join(self) -> T {
        loop {
            if let Some(value) = self.0.value.take() {
                machine::acquire(&self.0.clock.borrow());
                return value;
            }
            self.0.waiter.set(Some(machine::current_id()));
            machine::block();
        }
    }
}

fn group() -> ThreadGroup {
    // SAFETY: Each is dropped before the execution ends.
    unsafe { ThreadGroup::new().unwrap() }
}

fn shared_group() -> Arc<ThreadGroup> {
    Arc::new(group(), GFP_KERNEL).unwrap()
}

fn until_stopped(ctx: &Context<'_>) {
    while ctx.wait() != Wake::Stop {}
}

fn completion() -> Arc<Completion> {
    Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap()
}

fn slot<T>(value: T) -> Arc<Mutex<Option<T>>> {
    Arc::new(new_mutex!(Some(value)), GFP_KERNEL).unwrap()
}

// Start, wake and stop.

fn spawn_join() {
    let mut drops = Drops::new();
    let (closure, value) = (drops.one(), drops.one());
    let data = Data::new();
    let own = data.clone();
    let group = group();
    let thread = group
        .spawn(fmt!("thread"), move |_| {
            drop(closure);
            own.write(5);
            value
        })
        .unwrap();

    let value = thread.join().unwrap();
    assert_eq!((data.read(), drops.so_far()), (5, 1));
    drop(value);
}

fn spawn_stop() {
    let mut drops = Drops::new();
    let (closure, ran) = (drops.one(), Count::default());
    let own = ran.clone();
    let group = group();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            until_stopped(ctx);
            drop(closure);
            own.add();
        })
        .unwrap();

    assert_eq!(thread.stop(), Ok(()));
    assert_eq!(ran.get(), 1);
}

fn new_is_dropped() {
    let mut drops = Drops::new();
    let (closure, ran) = (drops.one(), Count::default());
    let own = ran.clone();
    let group = group();
    let new = Builder::new(fmt!("thread"))
        .create(&group, move |_| {
            own.add();
            drop(closure);
        })
        .unwrap();
    let waker = new.waker();
    let other = Other::new("other", move || waker.wake());

    drop(new);
    other.join();
    assert_eq!(ran.get(), 0);
}

fn wake_wait() {
    let group = group();
    let data = Data::new();
    let own = data.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            assert_eq!(ctx.wait(), Wake::Ready);
            own.read()
        })
        .unwrap();

    data.write(1);
    thread.wake();
    assert_eq!(thread.join(), Ok(1));
}

fn wake_start() {
    let group = group();
    let data = Data::new();
    let own = data.clone();
    let new = Builder::new(fmt!("thread"))
        .create(&group, move |ctx| {
            assert_eq!(ctx.wait(), Wake::Ready);
            own.read()
        })
        .unwrap();
    let waker = new.waker();
    let other = Other::new("other", move || {
        data.write(1);
        waker.wake();
    });

    assert_eq!(new.start().join(), Ok(1));
    other.join();
}

fn two_wake() {
    let group = group();
    let said = Arc::new(Atomic::new(0u32), GFP_KERNEL).unwrap();
    let (one, two) = (Data::new(), Data::new());
    let (own_one, own_two, own_said) = (one.clone(), two.clone(), said.clone());
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            while own_said.load(Relaxed) < 2 {
                assert_eq!(ctx.wait(), Wake::Ready);
            }
        })
        .unwrap();
    let (waker, other_said) = (thread.waker(), said.clone());
    let other = Other::new("other", move || {
        one.write(1);
        other_said.fetch_add(1, Relaxed);
        waker.wake();
    });

    two.write(1);
    said.fetch_add(1, Relaxed);
    thread.wake();
    assert_eq!(thread.join(), Ok(()));
    other.join();
    assert_eq!((own_one.read(), own_two.read()), (1, 1));
}

fn new_close() {
    let mut drops = Drops::new();
    let closure = drops.one();
    let group = shared_group();
    let closing = group.clone();
    let new = Builder::new(fmt!("thread"))
        .create(&group, move |_| drop(closure))
        .unwrap();
    let other = Other::new("other", move || closing.close());

    drop(new);
    other.join();
}

fn wake_stop() {
    let group = group();
    let thread = group
        .spawn(fmt!("thread"), |ctx| {
            let mut woken = 0;
            while ctx.wait() == Wake::Ready {
                woken += 1;
            }
            woken
        })
        .unwrap();

    thread.wake();
    thread.wake();
    assert!(thread.stop().unwrap() <= 2);
}

fn own_waker() {
    let group = group();
    let place = Arc::new(new_mutex!(None::<Waker>), GFP_KERNEL).unwrap();
    let own = place.clone();
    let given = completion();
    let gives = given.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            *own.lock() = Some(ctx.waker());
            gives.complete();
            ctx.wait()
        })
        .unwrap();

    given.wait_for_completion();
    let waker = place.lock().take().unwrap();
    waker.wake();
    assert_eq!(thread.join(), Ok(Wake::Ready));
    waker.wake();
}

fn start_close() {
    let mut drops = Drops::new();
    let (closure, value, ran) = (drops.one(), drops.one(), Count::default());
    let own = ran.clone();
    let group = shared_group();
    let closing = group.clone();
    let new = Builder::new(fmt!("thread"))
        .create(&group, move |ctx| {
            until_stopped(ctx);
            drop(closure);
            own.add();
            value
        })
        .unwrap();
    let other = Other::new("other", move || closing.close());

    match new.start().join() {
        Ok(_) => assert_eq!(ran.get(), 1),
        Err(error) => {
            assert_eq!((error, ran.get()), (JoinError::NeverRan, 0));
        }
    }
    other.join();
}

fn start_asked() {
    let group = shared_group();
    let closing = group.clone();
    let (never, done) = (completion(), completion());
    let (does, waits) = (done.clone(), done.clone());
    let first = Builder::new(fmt!("first"))
        .create(&group, move |_| {
            let _ = never.wait_interruptible();
            does.complete();
        })
        .unwrap();
    let second = group
        .spawn(fmt!("second"), move |_| waits.wait_for_completion())
        .unwrap();
    let other = Other::new("other", move || closing.close());

    // The closer of the group waits for the second before the first.
    let first = first.start();
    if first.join() == Err(JoinError::NeverRan) {
        done.complete();
    }
    assert_eq!(second.join(), Ok(()));
    other.join();
}

fn all_asked_first() {
    let mut group = group();
    let (never, done) = (completion(), completion());
    let waits = done.clone();

    group
        .spawn(fmt!("first"), move |_| {
            let _ = never.wait_interruptible();
            done.complete();
        })
        .unwrap()
        .detach();
    group
        .spawn(fmt!("second"), move |_| waits.wait_for_completion())
        .unwrap()
        .detach();
    group.stop_all();
}

fn stop_beats_token() {
    let group = group();
    let go = completion();
    let own = go.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            own.wait_for_completion();
            ctx.wait()
        })
        .unwrap();

    thread.wake();
    thread.request_stop();
    go.complete();
    assert_eq!(thread.join(), Ok(Wake::Stop));
}

fn join_close() {
    let mut drops = Drops::new();
    let (closure, value) = (drops.one(), drops.one());
    let group = shared_group();
    let closing = group.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            until_stopped(ctx);
            drop(closure);
            value
        })
        .unwrap();
    let other = Other::new("other", move || closing.close());

    assert!(thread.join().is_ok());
    other.join();
}

fn stop_close() {
    let mut drops = Drops::new();
    let (closure, value) = (drops.one(), drops.one());
    let group = shared_group();
    let closing = group.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            until_stopped(ctx);
            drop(closure);
            value
        })
        .unwrap();
    let other = Other::new("other", move || closing.close());

    drop(thread);
    other.join();
}

// Park.

fn park_unpark_stop() {
    let group = group();
    let mut thread = group.spawn(fmt!("thread"), until_stopped).unwrap();

    assert_eq!(thread.park(), Ok(()));
    assert!(thread.is_parked());
    assert_eq!(thread.park(), Err(EBUSY));
    assert_eq!(thread.unpark(), Ok(()));
    assert_eq!(thread.unpark(), Err(EBUSY));
    assert_eq!(thread.stop(), Ok(()));
}

fn park_return() {
    let group = group();
    let data = Data::new();
    let own = data.clone();
    let mut thread = group
        .spawn(fmt!("thread"), move |_| {
            own.write(1);
            5
        })
        .unwrap();

    assert_eq!(thread.park(), Ok(()));
    assert!(thread.is_finished());
    assert_eq!(data.read(), 1);
    assert_eq!(thread.unpark(), Ok(()));
    assert_eq!(thread.park(), Ok(()));
    assert_eq!(thread.join(), Ok(5));
}

fn park_returned_close() {
    let group = shared_group();
    let closing = group.clone();
    let mut thread = group.spawn(fmt!("thread"), |_| ()).unwrap();

    machine::wait_until_all_sleep();
    let other = Other::new("other", move || closing.close());

    assert!(matches!(thread.park(), Ok(()) | Err(ESRCH)));
    other.join();
    assert!(!thread.is_parked());
    assert_eq!(thread.stop(), Ok(()));
}

fn park_close() {
    let group = shared_group();
    let closing = group.clone();
    let mut thread = group.spawn(fmt!("thread"), until_stopped).unwrap();
    let other = Other::new("other", move || closing.close());

    assert!(matches!(thread.park(), Ok(()) | Err(ESRCH)));
    assert_eq!(thread.stop(), Ok(()));
    other.join();
}

fn park_close_apart() {
    let group = shared_group();
    let closing = group.clone();
    let mut thread = group.spawn(fmt!("thread"), until_stopped).unwrap();
    let other = Other::new("other", move || closing.close());

    assert!(matches!(thread.park(), Ok(()) | Err(ESRCH)));
    // The closer of the group needs no help.
    other.join();
    assert_eq!(thread.stop(), Ok(()));
}

fn park_wake() {
    let group = group();
    let data = Data::new();
    let own = data.clone();
    let mut thread = group
        .spawn(fmt!("thread"), move |ctx| {
            assert_eq!(ctx.wait(), Wake::Ready);
            own.read()
        })
        .unwrap();
    let waker = thread.waker();
    let other = Other::new("other", move || {
        data.write(1);
        waker.wake();
    });

    assert_eq!(thread.park(), Ok(()));
    assert_eq!(thread.unpark(), Ok(()));
    assert_eq!(thread.join(), Ok(1));
    other.join();
}

fn unpark_close() {
    let group = shared_group();
    let closing = group.clone();
    let mut thread = group.spawn(fmt!("thread"), until_stopped).unwrap();

    assert_eq!(thread.park(), Ok(()));
    let other = Other::new("other", move || closing.close());
    assert!(matches!(thread.unpark(), Ok(()) | Err(EBUSY)));
    other.join();
    assert!(!thread.is_parked());
    assert_eq!(thread.park(), Err(ESRCH));
    assert_eq!(thread.stop(), Ok(()));
}

fn park_is_dropped() {
    let mut drops = Drops::new();
    let group = group();
    let value = drops.one();
    let mut thread = group
        .spawn(fmt!("thread"), move |ctx| {
            let _ = ctx.wait();
            value
        })
        .unwrap();

    forget(thread.park_guard().unwrap());
    thread.wake();
    thread.detach();
}

fn stop_unparks() {
    let group = group();
    let mut thread = group.spawn(fmt!("thread"), until_stopped).unwrap();

    assert_eq!(thread.park(), Ok(()));
    thread.request_stop();
    assert!(!thread.is_parked());
    machine::wait_until_all_sleep();
    assert!(thread.is_finished());
    assert_eq!(thread.park(), Err(ESRCH));
}

fn park_dead() {
    let group = group();
    let mut thread = group.spawn(fmt!("dies"), |_| sched::do_exit(9)).unwrap();

    machine::wait_until_all_sleep();
    assert!(thread.is_finished());
    assert_eq!(thread.park(), Err(ESRCH));
    assert!(thread.stop().err() == Some(JoinError::Died));
}

fn park_dies() {
    let group = group();
    let mut thread = group.spawn(fmt!("dies"), until_stopped).unwrap();

    machine::machine().dies_in_park = true;
    assert_eq!(thread.park(), Err(ESRCH));
    machine::machine().dies_in_park = false;
    assert!(!thread.is_parked());
    assert_eq!(thread.stop(), Ok(()));
}

fn parks_itself() {
    let group = group();
    let told = Count::default();
    let own = told.clone();
    let mut thread = Builder::new(fmt!("thread"))
        .parks_itself()
        .spawn(&group, move |ctx| loop {
            match ctx.wait() {
                Wake::Park => {
                    own.add();
                    ctx.park_point();
                }
                Wake::Stop => return,
                _ => {}
            }
        })
        .unwrap();

    assert_eq!(thread.park(), Ok(()));
    assert_eq!(told.get(), 1);
    assert_eq!(thread.stop(), Ok(()));
}

// Ending sleeps in other code.

fn foreign_sleep() {
    let group = group();
    let never = completion();
    let thread = group
        .spawn(fmt!("thread"), move |_| {
            (never.wait_interruptible(), never.wait_interruptible())
        })
        .unwrap();

    thread.request_stop();
    assert_eq!(thread.join(), Ok((Err(ERESTARTSYS), Err(ERESTARTSYS))));
}

fn joined_in_foreign_sleep() {
    let group = group();
    let never = completion();
    let sleeper = group
        .spawn(fmt!("sleeper"), move |_| never.wait_interruptible())
        .unwrap();

    forget(
        group
            .spawn(fmt!("joiner"), move |_| {
                assert_eq!(sleeper.join(), Ok(Err(ERESTARTSYS)));
            })
            .unwrap(),
    );
    // A thread with a leaked handle stays until its value is taken, which never happens: there is no value to drop.
    drop(group);
    MAY_LEAK.set(true);
}

fn join_passes_stop_on() {
    let group = group();
    let inner = group.spawn(fmt!("inner"), |ctx| ctx.wait()).unwrap();
    let outer = group.spawn(fmt!("outer"), move |_| inner.join()).unwrap();

    outer.request_stop();
    assert_eq!(outer.join(), Ok(Ok(Wake::Stop)));
}

fn interrupt_wait() {
    let group = group();
    let data = Data::new();
    let own = data.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            assert_eq!(ctx.wait(), Wake::Interrupt);
            own.read()
        })
        .unwrap();

    data.write(1);
    thread.interrupt();
    assert_eq!(thread.join(), Ok(1));
}

fn interrupt_sleep() {
    let group = group();
    let never = completion();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            let first = never.wait_interruptible();
            let taken = ctx.take_interrupt();
            // The interrupt has been taken, and ends no further sleep.
            let second = never.wait_interruptible_timeout(1);

            (first, taken, second)
        })
        .unwrap();

    thread.interrupt();
    assert_eq!(thread.join(), Ok((Err(ERESTARTSYS), true, Ok(false))));
}

fn interrupt_stop() {
    let group = shared_group();
    let closing = group.clone();
    let never = completion();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            while !ctx.should_stop() {
                let _ = never.wait_interruptible();
                ctx.take_interrupt();
            }
            // It stops, even if it takes the interrupt.
            ctx.take_interrupt();
            never.wait_interruptible()
        })
        .unwrap();
    let other = Other::new("other", move || closing.close());

    thread.interrupt();
    other.join();
    assert_eq!(thread.join(), Ok(Err(ERESTARTSYS)));
}

// Ownership of the value, and of the last reference.

fn detach_return() {
    let mut drops = Drops::new();
    let (closure, value) = (drops.one(), drops.one());
    let group = group();
    let thread = group
        .spawn(fmt!("thread"), move |_| {
            drop(closure);
            value
        })
        .unwrap();

    thread.detach();
}

fn member_leaves() {
    let group = group();

    group.spawn(fmt!("thread"), |_| ()).unwrap().detach();
    drop(group);
    assert!(!machine::runs_text(), "a thread outlives its group");
}

fn detached_members_leave() {
    let mut drops = Drops::new();
    let group = group();

    for _ in 0..3 {
        let (closure, value) = (drops.one(), drops.one());
        group
            .spawn(fmt!("thread"), move |_| {
                drop(closure);
                value
            })
            .unwrap()
            .detach();
    }
    // It waits for threads that are about to leave.
    let _ = group.len();
}

fn members_leave_together() {
    let group = group();
    let leave = |count: usize| {
        for _ in 0..count {
            group.spawn(fmt!("thread"), |_| ()).unwrap().detach();
        }
        machine::wait_until_all_sleep();
    };

    leave(1);
    let live = machine::machine().live;
    // Both may leave before either has exited. Whoever leaves next removes both.
    leave(2);
    leave(1);
    assert_eq!(machine::machine().live, live);
}

fn scope_borrows() {
    let mut drops = Drops::new();
    let value = drops.one();
    let numbers = Data::new();

    numbers.write(1);
    let found = scope(|s| {
        let thread = s
            .spawn(fmt!("thread"), |_| (numbers.read(), value))
            .unwrap();
        thread.join().unwrap()
    })
    .unwrap();
    assert_eq!(found.0, 1);
    numbers.write(2);
}

fn scope_drops_leaked() {
    let mut drops = Drops::new();
    let (one, two, three) = (drops.one(), drops.one(), drops.one());
    let data = Data::new();

    scope(|s| {
        forget(
            s.spawn(fmt!("runs"), |ctx| {
                until_stopped(ctx);
                data.write(1);
                (one, two)
            })
            .unwrap(),
        );
        forget(
            Builder::new(fmt!("new"))
                .create_scoped(s, move |_| drop(three))
                .unwrap(),
        );
    })
    .unwrap();
    assert_eq!((data.read(), drops.so_far()), (1, 3));
    MAY_LEAK.set(true);
}

fn scope_drops_returned() {
    let mut drops = Drops::new();

    scope(|s| {
        for _ in 0..2 {
            let value = drops.one();
            forget(s.spawn(fmt!("returns"), move |_| value).unwrap());
        }
    })
    .unwrap();
    assert_eq!(drops.so_far(), 2);
    MAY_LEAK.set(true);
}

fn scope_handle_dropped_within() {
    let mut drops = Drops::new();
    let value = drops.one();

    scope(|s| {
        let first = s
            .spawn(fmt!("first"), move |ctx| {
                until_stopped(ctx);
                value
            })
            .unwrap();
        drop(s.spawn(fmt!("second"), move |_| drop(first)).map(forget));
    })
    .unwrap();
    assert_eq!(drops.so_far(), 1);
    MAY_LEAK.set(true);
}

// Groups.

fn create_close() {
    let mut drops = Drops::new();
    let closure = drops.one();
    let group = shared_group();
    let creating = group.clone();
    let other = Other::new("other", move || {
        let spawned = creating.spawn(fmt!("thread"), move |ctx| {
            until_stopped(ctx);
            drop(closure);
        });

        match spawned {
            // It may have been closed before the thread was started.
            Ok(thread) => assert!(matches!(thread.stop(), Ok(()) | Err(JoinError::NeverRan))),
            Err(error) => assert_eq!(error, ENODEV),
        }
    });

    group.close();
    assert_eq!(group.len(), 0);
    other.join();
    assert!(group.spawn(fmt!("late"), |_| ()).err() == Some(ENODEV));
}

static MODULE: ThisModule = ThisModule::new(std::ptr::null_mut());

/// The state of a module with `threaded_module!`.
fn module() -> (&'static ModuleThreads, ModuleGuard) {
    // It is a static variable of a module, and never freed.
    let threads: &'static ModuleThreads = Box::leak(Box::new(ModuleThreads::new()));

    // SAFETY: The guard is dropped by the test.
    (threads, unsafe { threads.open(&MODULE).unwrap() })
}

/// A group that any of its members may drop.
fn group_of_module(threads: &'static ModuleThreads) -> Arc<ThreadGroup> {
    Arc::new(ThreadGroup::for_module(threads).unwrap(), GFP_KERNEL).unwrap()
}

fn members_close() {
    let (threads, guard) = module();
    let group = group_of_module(threads);

    for _ in 0..2 {
        let closing = group.clone();
        match group.spawn(fmt!("member"), move |_| closing.close()) {
            Ok(thread) => thread.detach(),
            Err(error) => assert_eq!(error, ENODEV),
        }
    }
    drop((group, guard));
}

fn member_stops_group() {
    let mut drops = Drops::new();
    let value = drops.one();
    let (threads, guard) = module();
    let group = group_of_module(threads);
    let closing = group.clone();

    group
        .spawn(fmt!("stopped"), move |ctx| {
            until_stopped(ctx);
            drop(value);
        })
        .unwrap()
        .detach();
    group
        .spawn(fmt!("member"), move |_| closing.close())
        .unwrap()
        .detach();
    drop((group, guard));
}

fn module_ends_groups() {
    let mut drops = Drops::new();
    let value = drops.one();
    let (threads, guard) = module();
    let group = group_of_module(threads);
    let own = group.clone();

    group
        .spawn(fmt!("member"), move |ctx| {
            // It may drop the last reference to its own group.
            drop(own);
            until_stopped(ctx);
            drop(value);
        })
        .unwrap()
        .detach();
    let other = Other::new("other", move || drop(group));
    drop(guard);
    other.join();
}

fn detached() {
    let mut drops = Drops::new();
    let value = drops.one();
    let data = Data::new();
    let own = data.clone();
    let waker = Builder::new(fmt!("detached"))
        .spawn_detached(&MODULE, move |ctx| {
            assert_eq!(ctx.wait(), Wake::Ready);
            assert_eq!(own.read(), 1);
            drop(value);
        })
        .unwrap();

    data.write(1);
    waker.wake();
    drop(waker);
    machine::wait_for_all();
    drop(drops);
}

fn two_wait_for_exit() {
    let group = shared_group();
    let closing = group.clone();
    let inner = group.spawn(fmt!("inner"), until_stopped).unwrap();
    let joiner = group.spawn(fmt!("joiner"), move |_| inner.join()).unwrap();
    let other = Other::new("other", move || closing.close());

    assert_eq!(joiner.join(), Ok(Ok(())));
    other.join();
}

// Death.

fn death_ends_join() {
    let group = group();
    let thread = group
        .spawn(fmt!("dies"), |_| {
            sched::do_exit(9);
        })
        .unwrap();

    assert_eq!(thread.join(), Err(JoinError::Died));
}

fn death_ends_worker() {
    let group = group();
    let worker = Builder::new(fmt!("dies")).spawn_worker(&group).unwrap();
    let mut drops = Drops::new();
    let left = drops.one();
    let (job, _) = job(&mut drops);

    worker.spawn(GFP_KERNEL, |_| sched::do_exit(9)).unwrap();
    let queued = worker.queue(job.clone()).is_ok();
    match worker.spawn(GFP_KERNEL, move |_| drop(left)) {
        Ok(()) => {}
        Err(error) => assert_eq!(error, ESRCH),
    }
    assert_eq!(worker.flush(), Err(ESRCH));
    assert_eq!(worker.call(|_| 5), Err(ESRCH));
    assert_eq!(worker.cancel_sync(&job).err(), queued.then_some(ESRCH));
    drop(worker);
    MAY_LEAK.set(true);
}

/// A work item in which the worker dies.
struct Dies;

impl WorkItem for Dies {
    fn run(_: &Arc<Work<Self>>, _: &Context<'_>) {
        sched::do_exit(9)
    }
}

fn death_ends_cancel() {
    let group = shared_group();
    let closing = group.clone();
    let worker = Builder::new(fmt!("dies")).spawn_worker(&group).unwrap();
    let job = Work::new_arc(Dies, GFP_KERNEL).unwrap();

    assert!(worker.queue(job.clone()).is_ok());
    // Who reaps the worker drops what is queued, which must not be what the other waits for.
    let other = Other::new("other", move || closing.close());
    match worker.cancel_sync(&job) {
        Ok(_) => {}
        Err(error) => assert_eq!(error, ESRCH),
    }
    other.join();
    drop(worker);
    MAY_LEAK.set(true);
}

fn death_ends_two_flushes() {
    let group = group();
    let worker = Arc::new(
        Builder::new(fmt!("dies")).spawn_worker(&group).unwrap(),
        GFP_KERNEL,
    )
    .unwrap();
    let theirs = worker.clone();
    let other = Other::new("other", move || {
        let _ = theirs.spawn(GFP_KERNEL, |_| sched::do_exit(9));
        assert_eq!(theirs.flush(), Err(ESRCH));
    });

    assert!(matches!(worker.flush(), Ok(()) | Err(ESRCH)));
    other.join();
    drop(worker);
    MAY_LEAK.set(true);
}

// Waits.

fn completion_counts() {
    let done = completion();
    let (one, two) = (done.clone(), done.clone());
    let data = Data::new();
    let own = data.clone();
    let first = Other::new("first", move || one.wait_for_completion());
    let second = Other::new("second", move || {
        own.write(1);
        two.complete();
    });

    done.complete();
    done.wait_for_completion();
    first.join();
    second.join();
    assert_eq!(data.read(), 1);
    assert!(!done.is_done());
}

fn timeout_wake() {
    let group = group();
    let thread = group
        .spawn(fmt!("thread"), |ctx| {
            ctx.wait_timeout(Delta::from_millis(1))
        })
        .unwrap();

    thread.wake();
    assert!(matches!(thread.join(), Ok(Wake::Ready | Wake::Timeout)));
}

fn queue() -> Arc<WaitQueue> {
    Arc::pin_init(WaitQueue::new(), GFP_KERNEL).unwrap()
}

fn wait_queue() {
    let group = group();
    let queue = queue();
    let said = Arc::new(Atomic::new(false), GFP_KERNEL).unwrap();
    let (own_said, own_queue) = (said.clone(), queue.clone());
    let data = Data::new();
    let own = data.clone();
    let thread = group
        .spawn(fmt!("thread"), move |ctx| {
            ctx.with_wait_queue(&own_queue, || ctx.wait_until(|| own_said.load(Relaxed)))
        })
        .unwrap();

    own.write(1);
    said.store(true, Relaxed);
    queue.wake_up();
    assert_eq!(thread.join(), Ok(Ok(Wake::Ready)));
}

fn wait_queue_park() {
    let group = group();
    let queue = queue();
    let said = Arc::new(Atomic::new(false), GFP_KERNEL).unwrap();
    let (own_said, own_queue) = (said.clone(), queue.clone());
    let mut thread = group
        .spawn(fmt!("thread"), move |ctx| {
            ctx.with_wait_queue(&own_queue, || ctx.wait_until(|| own_said.load(Relaxed)))
        })
        .unwrap();
    let other = Other::new("other", move || {
        said.store(true, Relaxed);
        queue.wake_up_all();
    });

    assert_eq!(thread.park(), Ok(()));
    assert_eq!(thread.unpark(), Ok(()));
    assert_eq!(thread.join(), Ok(Ok(Wake::Ready)));
    other.join();
}

// Workers.

/// A work item that counts its runs, and does not run twice at once.
struct Job {
    runs: Count,
    /// Data that it uses during a run.
    inside: Shared,
    _counted: Counted,
}

impl WorkItem for Job {
    fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
        // SAFETY: The model finds concurrent accesses.
        unsafe { *this.inside.0.get() += 1 };
        this.runs.add();
    }
}

fn job(drops: &mut Drops) -> (Arc<Work<Job>>, Count) {
    let runs = Count::default();
    let job = Job {
        runs: runs.clone(),
        inside: Shared(UnsafeCell::new(0)),
        _counted: drops.one(),
    };

    (Work::new_arc(job, GFP_KERNEL).unwrap(), runs)
}

/// Accesses the data; the caller knows that the item does not run.
fn look_inside(job: &Arc<Work<Job>>) -> u32 {
    // SAFETY: As above.
    unsafe { *job.inside.0.get() }
}

fn work_runs() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue(job).is_ok());
    drop(worker);
    assert_eq!(runs.get(), 1);
}

fn work_flush() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue(job.clone()).is_ok());
    assert_eq!(worker.flush(), Ok(()));
    assert_eq!((runs.get(), look_inside(&job)), (1, 1));
}

fn work_cancel() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue(job.clone()).is_ok());
    let canceled = worker.cancel_sync(&job).unwrap().is_some();
    assert_eq!(canceled, runs.get() == 0);
    assert_eq!(look_inside(&job), u32::from(!canceled));
}

fn work_cancel_queue() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Arc::new(
        Builder::new(fmt!("worker")).spawn_worker(&group).unwrap(),
        GFP_KERNEL,
    )
    .unwrap();
    let (queuing, queued, seen) = (worker.clone(), job.clone(), runs.clone());

    assert!(worker.queue(job.clone()).is_ok());
    let other = Other::new("other", move || {
        let has_run = seen.get() > 0;

        match queuing.queue(queued) {
            Ok(()) => 1,
            Err(refused) => {
                // What has run is no longer queued.
                assert!(match refused.reason {
                    Refusal::Pending => !has_run,
                    reason => reason == Refusal::Canceling,
                });
                0
            }
        }
    });
    let canceled = worker.cancel_sync(&job).unwrap().is_some();
    let queued = 1 + other.join() - usize::from(canceled);
    worker.flush().unwrap();
    assert_eq!(runs.get(), queued);
    assert_eq!(look_inside(&job) as usize, queued);
}

/// A work item that queues itself until that is refused.
struct Again {
    worker: Arc<Mutex<Option<Arc<Worker>>>>,
    runs: Count,
    inside: Shared,
}

impl WorkItem for Again {
    fn run(this: &Arc<Work<Self>>, _: &Context<'_>) {
        // SAFETY: The model finds concurrent accesses.
        unsafe { *this.inside.0.get() += 1 };
        this.runs.add();
        if this.runs.get() < 3 {
            if let Some(worker) = this.worker.lock().as_ref() {
                let _ = worker.queue(this.clone());
            }
        }
    }
}

fn work_cancel_self_queueing() {
    let group = group();
    let worker = Arc::new(
        Builder::new(fmt!("worker")).spawn_worker(&group).unwrap(),
        GFP_KERNEL,
    )
    .unwrap();
    let place = slot(worker.clone());
    let again = Again {
        worker: place.clone(),
        runs: Count::default(),
        inside: Shared(UnsafeCell::new(0)),
    };
    let work = Work::new_arc(again, GFP_KERNEL).unwrap();

    assert!(worker.queue(work.clone()).is_ok());
    let _ = worker.cancel_sync(&work).unwrap();
    // The item does not run, and is not queued.
    // SAFETY: As above.
    let _ = unsafe { *work.inside.0.get() };
    let runs = work.runs.get();
    worker.flush().unwrap();
    assert_eq!(work.runs.get(), runs);
    *place.lock() = None;
}

fn delayed_drop() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue_delayed(job.clone(), 1).is_ok());
    drop(worker);
    assert!(runs.get() <= 1);
    look_inside(&job);
}

fn delayed_cancel() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue_delayed(job.clone(), 1).is_ok());
    let canceled = worker.cancel_sync(&job).unwrap().is_some();
    assert_eq!(canceled, runs.get() == 0);
    assert_eq!(look_inside(&job), u32::from(!canceled));
}

fn cancel_close() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let (ours, other_ours) = (job.clone(), job.clone());
    let group = shared_group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue_delayed(job.clone(), 1).is_ok());
    let other = Other::new("other", move || {
        matches!(worker.cancel_sync(&job), Ok(Some(_)))
    });

    group.close();
    let canceled = other.join();
    assert!(!canceled || runs.get() == 0);
    assert!(
        Arc::into_unique_or_drop(ours).is_none(),
        "a reference is dropped twice"
    );
    drop(other_ours);
}

fn delayed_modify() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    assert!(worker.queue_delayed(job.clone(), 1).is_ok());
    let given_back = worker.mod_delayed(job.clone(), 0).unwrap().is_some();
    worker.flush().unwrap();
    assert_eq!(runs.get(), if given_back { 1 } else { 2 });
    look_inside(&job);
}

fn delayed_modified_by_two() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = Arc::new(
        Builder::new(fmt!("worker")).spawn_worker(&group).unwrap(),
        GFP_KERNEL,
    )
    .unwrap();
    let (modifying, modified) = (worker.clone(), job.clone());
    let other = Other::new("other", move || {
        modifying.mod_delayed(modified, 1).unwrap().is_none()
    });
    let first = worker.mod_delayed(job.clone(), 0).unwrap().is_none();
    let second = other.join();

    worker.flush().unwrap();
    let canceled = worker.cancel_sync(&job).unwrap().is_some();
    // It ran each time that it was queued, except when it was refused.
    let queued = usize::from(first) + usize::from(second);
    assert_eq!(runs.get(), queued - usize::from(canceled));
    drop(worker);
}

fn call_value() {
    let mut drops = Drops::new();
    let (closure, value) = (drops.one(), drops.one());
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();
    let data = Data::new();

    data.write(1);
    let found = worker
        .call(|_| {
            drop(closure);
            data.write(2);
            value
        })
        .unwrap();
    assert_eq!(data.read(), 2);
    drop(found);
}

fn call_close() {
    let mut drops = Drops::new();
    let (closure, value) = (drops.one(), drops.one());
    let group = shared_group();
    let closing = group.clone();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();
    let other = Other::new("other", move || closing.close());
    let found = worker.call(move |_| {
        drop(closure);
        value
    });

    assert!(found.is_ok() || found.err() == Some(ESRCH));
    other.join();
    drop(worker);
}

fn queue_close() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = shared_group();
    let closing = group.clone();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();
    let other = Other::new("other", move || closing.close());
    let queued = worker.queue(job).is_ok();

    other.join();
    assert_eq!(runs.get(), usize::from(queued));
    drop(worker);
}

fn queue_close_later() {
    let mut drops = Drops::new();
    let (first, _) = job(&mut drops);
    let (second, runs) = job(&mut drops);
    let group = shared_group();
    let closing = group.clone();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();

    // Somebody has left the gate before it is closed.
    assert!(worker.queue(first).is_ok());
    let other = Other::new("other", move || closing.close());
    let queued = worker.queue(second).is_ok();

    other.join();
    assert_eq!(runs.get(), usize::from(queued));
    drop(worker);
}

fn worker_stop_ends_sleep() {
    let group = group();
    let worker = Builder::new(fmt!("worker")).spawn_worker(&group).unwrap();
    let never = completion();
    let told = Count::default();
    let own = told.clone();

    worker
        .spawn(GFP_KERNEL, move |_| {
            if never.wait_interruptible() == Err(ERESTARTSYS) {
                own.add();
            }
        })
        .unwrap();
    drop(worker);
    assert_eq!(told.get(), 1);
}

fn pool_waits() {
    let mut drops = Drops::new();
    let value = drops.one();
    let group = group();
    let policies = [Policy::Normal { nice: 0 }, Policy::Normal { nice: 1 }];
    let pool = Builder::new(fmt!("pool"))
        .spawn_pool(&group, &policies)
        .unwrap();
    let (go, never) = (completion(), completion());
    let own = go.clone();

    pool.worker(0)
        .unwrap()
        .spawn(GFP_KERNEL, move |_| go.wait_for_completion())
        .unwrap();
    pool.worker(1)
        .unwrap()
        .spawn(GFP_KERNEL, move |_| {
            // It is asked while the first worker is waited for, and then sleeps.
            let _ = never.wait_interruptible();
            own.complete();
            drop(value);
        })
        .unwrap();
    drop(pool);
}

// Per-CPU threads.

struct OnCpu {
    runs: Count,
    /// The last value that a run has seen.
    said: Count,
    seen: Count,
    data: Data,
    never: Option<Arc<Completion>>,
    told: Count,
    done: Arc<Completion>,
}

impl_has_slot!(OnCpu);

impl PerCpuThread for OnCpu {
    fn run(&self, _: crate::cpu::CpuId) {
        self.runs.add();
        let said = self.said.get();
        crate::processor::cpu_relax();
        self.seen.0.store(said, SeqCst);
        match &self.never {
            Some(never) => {
                if never.wait_interruptible() == Err(ERESTARTSYS) {
                    self.told.add();
                    self.done.complete();
                }
            }
            None => assert_eq!(self.data.read(), 1),
        }
    }
}

fn on_cpu(never: Option<Arc<Completion>>) -> OnCpu {
    OnCpu {
        runs: Count::default(),
        said: Count::default(),
        seen: Count::default(),
        data: Data::new(),
        never,
        told: Count::default(),
        done: completion(),
    }
}

fn cpu() -> crate::cpu::CpuId {
    crate::cpu::CpuId::from_u32(0).unwrap()
}

fn percpu_wake() {
    let group = group();
    let value = on_cpu(None);
    let (runs, data) = (value.runs.clone(), value.data.clone());
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();

    data.write(1);
    threads.wake(cpu());
    machine::wait_until_all_sleep();
    assert_eq!(runs.get(), 1);
}

fn percpu_wake_again() {
    let group = group();
    let value = on_cpu(None);
    let (said, seen) = (value.said.clone(), value.seen.clone());
    value.data.write(1);
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();

    for _ in 0..2 {
        said.add();
        threads.wake(cpu());
    }
    machine::wait_until_all_sleep();
    assert_eq!(seen.get(), 2);
}

fn percpu_stop_ends_sleep() {
    let group = group();
    let value = on_cpu(Some(completion()));
    let (runs, told) = (value.runs.clone(), value.told.clone());
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();

    threads.wake(cpu());
    drop(threads);
    assert_eq!(runs.get(), told.get());
}

fn percpu_asked_first() {
    let group = group();
    let value = on_cpu(Some(completion()));
    let (runs, told) = (value.runs.clone(), value.told.clone());
    let done = value.done.clone();
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();

    threads.wake(cpu());
    // The group waits for this thread first.
    group
        .spawn(fmt!("second"), move |_| done.wait_for_completion())
        .unwrap()
        .detach();
    forget(threads);
    drop(group);
    assert_eq!((runs.get(), told.get()), (1, 1));
    MAY_LEAK.set(true);
}

fn percpu_close() {
    let group = shared_group();
    let closing = group.clone();
    let value = on_cpu(Some(completion()));
    let (runs, told) = (value.runs.clone(), value.told.clone());
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();
    let other = Other::new("other", move || closing.close());

    threads.wake(cpu());
    other.join();
    drop(threads);
    assert_eq!(runs.get(), told.get());
}

// CPU hotplug.

/// Takes the CPU offline and online again, beside the test.
fn hotplug() -> Other<()> {
    Other::new("hotplug", || {
        smpboot::cpu_down(0);
        smpboot::cpu_up(0);
    })
}

/// Checks the order of the calls.
#[derive(Clone, Default)]
struct Follower {
    setups: Count,
    runs: Count,
    parks: Count,
    unparks: Count,
    cleanups: Count,
}

impl Follower {
    fn is_active(&self) -> bool {
        self.setups.get() == 1 && self.cleanups.get() == 0 && self.parks.get() == self.unparks.get()
    }
}

impl_has_slot!(Follower);

impl PerCpuThread for Follower {
    fn setup(&self, _: crate::cpu::CpuId) {
        assert!(smpboot::cpu_online(0));
        self.setups.add();
        assert!(self.is_active());
    }

    fn run(&self, _: crate::cpu::CpuId) {
        assert!(smpboot::cpu_online(0) && self.is_active());
        self.runs.add();
    }

    fn park(&self, _: crate::cpu::CpuId) {
        assert!(smpboot::cpu_online(0) && self.is_active());
        self.parks.add();
    }

    fn unpark(&self, _: crate::cpu::CpuId) {
        self.unparks.add();
        assert!(smpboot::cpu_online(0) && self.is_active());
    }

    fn cleanup(&self, _: crate::cpu::CpuId, online: bool) {
        assert!(self.setups.get() == 1 && self.cleanups.get() == 0);
        assert!(online == smpboot::cpu_online(0));
        self.cleanups.add();
    }
}

fn hotplug_wake() {
    let group = group();
    let value = Follower::default();
    let seen = value.clone();
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();
    let hotplug = hotplug();

    threads.wake(cpu());
    hotplug.join();
    machine::wait_until_all_sleep();
    assert!(seen.is_active());
    assert_eq!(seen.runs.get(), 1);
    drop(threads);
    assert_eq!(seen.cleanups.get(), 1);
}

fn hotplug_stop() {
    let group = group();
    let value = Follower::default();
    let seen = value.clone();
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();
    let hotplug = hotplug();

    drop(threads);
    assert_eq!(seen.cleanups.get(), seen.setups.get());
    hotplug.join();
    assert_eq!(seen.cleanups.get(), seen.setups.get());
}

fn hotplug_first() {
    let group = group();
    let value = Follower::default();
    let seen = value.clone();

    smpboot::cpu_down(0);
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();
    let other = Other::new("hotplug", || smpboot::cpu_up(0));
    threads.wake(cpu());
    other.join();
    machine::wait_until_all_sleep();
    assert_eq!(seen.runs.get(), 1);
}

fn hotplug_stop_ends_sleep() {
    let group = group();
    let value = on_cpu(Some(completion()));
    let (runs, told) = (value.runs.clone(), value.told.clone());
    let threads = PerCpuThreads::register(&group, fmt!("percpu"), value).unwrap();

    // It may be the sleep that going offline waits for.
    threads.wake(cpu());
    let hotplug = hotplug();
    drop(threads);
    hotplug.join();
    assert_eq!(runs.get(), told.get());
}

fn hotplug_bound() {
    let group = group();
    let hotplug = hotplug();
    let result = Builder::new(fmt!("bound"))
        .placement(Placement::Cpu(cpu()))
        .create(&group, |_| ());

    assert!(result.is_ok() || result.err() == Some(ENODEV));
    hotplug.join();
}

/// Creates a thread on a CPU where hotplug may wait for it, and closes its group.
struct Creator {
    group: Arc<ThreadGroup>,
    refused: Count,
}

impl_has_slot!(Creator);

impl PerCpuThread for Creator {
    fn run(&self, cpu: crate::cpu::CpuId) {
        let bound = Builder::new(fmt!("bound"))
            .placement(Placement::Cpu(cpu))
            .spawn(&self.group, |_| ());

        if bound.err().map(|error| error.to_errno()) == Some(-(bindings::EDEADLK as i32)) {
            self.refused.add();
        }
        self.group.close();
    }
}

/// Registers such threads, wakes them, and returns them with how often they were refused.
fn creator(group: &Arc<ThreadGroup>) -> (PerCpuThreads<Creator>, Count) {
    let refused = Count::default();
    let value = Creator {
        group: group.clone(),
        refused: refused.clone(),
    };
    let threads = PerCpuThreads::register(group, fmt!("percpu"), value).unwrap();

    threads.wake(cpu());
    (threads, refused)
}

fn hotplug_within() {
    let group = shared_group();
    let (threads, refused) = creator(&group);

    hotplug().join();
    machine::wait_until_all_sleep();
    assert_eq!(refused.get(), 1);
    drop(threads);
}

fn hotplug_close() {
    let group = shared_group();
    let (threads, refused) = creator(&group);

    let hotplug = hotplug();
    // While this waits for hotplug, that may wait for the callback that closes the group.
    let result = PerCpuThreads::register(&group, fmt!("second"), Follower::default());
    assert!(result.is_ok() || result.err() == Some(ENODEV));
    hotplug.join();
    machine::wait_until_all_sleep();
    assert_eq!(refused.get(), 1);
    drop(threads);
}

// Signals.

/// Creates a thread that allows signals, and returns it once it can take them.
fn taker(
    group: &ThreadGroup,
    signals: &[Signal],
    f: impl FnOnce(&Context<'_>) + Send + 'static,
) -> Thread<()> {
    let ready = completion();
    let own = ready.clone();
    let builder = signals
        .iter()
        .fold(Builder::new(fmt!("taker")), |builder, signal| {
            builder.allow(*signal)
        });
    let thread = builder
        .spawn(group, move |ctx| {
            own.complete();
            f(ctx);
        })
        .unwrap();

    ready.wait_for_completion();
    thread
}

/// Sends a signal to the thread or to the process.
///
/// # Safety
///
/// The caller must have a reference to the task.
unsafe fn kill(task: *mut task_struct, signal: Signal, to_thread: bool) {
    // SAFETY: The caller guarantees that there is a reference to the task.
    unsafe {
        match to_thread {
            true => signal::send_sig(signal.number(), task),
            false => signal::kill_pid(signal.number(), task),
        }
    }
}

/// The same, beside the test.
fn send(thread: &Thread<()>, signal: Signal, to_thread: bool) -> Other<()> {
    let task = thread.task().as_ptr();

    // SAFETY: The test has the handle of the thread until this has been joined.
    Other::new("sender", move || unsafe { kill(task, signal, to_thread) })
}

fn signal_wait() {
    let group = group();
    let thread = taker(&group, &[Signal::Hup], |ctx| {
        assert_eq!(ctx.wait(), Wake::Signal(Signal::Hup));
        assert_eq!(ctx.take_signal(), None);
    });

    send(&thread, Signal::Hup, false).join();
    assert_eq!(thread.join(), Ok(()));
}

fn signal_wake() {
    let group = group();
    let thread = taker(&group, &[Signal::Hup], |ctx| {
        let (mut signals, mut wakes) = (0, 0);
        while signals < 1 || wakes < 1 {
            match ctx.wait() {
                Wake::Signal(Signal::Hup) => signals += 1,
                Wake::Ready => wakes += 1,
                other => panic!("{other:?}"),
            }
        }
    });
    let sender = send(&thread, Signal::Hup, true);

    thread.wake();
    sender.join();
    assert_eq!(thread.join(), Ok(()));
}

fn signal_again() {
    let group = group();
    let (said, seen) = (Count::default(), Count::default());
    let (says, sees) = (said.clone(), seen.clone());
    let thread = taker(&group, &[Signal::Hup], move |ctx| {
        while ctx.wait() == Wake::Signal(Signal::Hup) {
            let now = says.get();
            crate::processor::cpu_relax();
            sees.0.store(now, SeqCst);
        }
    });

    for to_thread in [true, false] {
        machine::step("says");
        said.add();
        // SAFETY: The handle keeps the task.
        unsafe { kill(thread.task().as_ptr(), Signal::Hup, to_thread) };
    }
    machine::wait_until_all_sleep();
    assert_eq!(seen.get(), 2);
    assert_eq!(thread.stop(), Ok(()));
}

fn two_signals() {
    let group = group();
    let thread = taker(&group, &[Signal::Usr1, Signal::Term], |ctx| {
        let mut taken = Vec::new();
        while taken.len() < 2 {
            match ctx.wait() {
                Wake::Signal(signal) => taken.push(signal.number()),
                other => panic!("{other:?}"),
            }
        }
        taken.sort();
        assert_eq!(taken, [Signal::Usr1.number(), Signal::Term.number()]);
        assert_eq!(ctx.take_signal(), None);
    });
    let sender = send(&thread, Signal::Usr1, true);

    send(&thread, Signal::Term, true).join();
    sender.join();
    assert_eq!(thread.join(), Ok(()));
}

fn signal_stop() {
    let group = group();
    let thread = taker(&group, &[Signal::Hup], until_stopped);
    let task = thread.task().as_ptr();
    // SAFETY: The task is alive, as the handle exists, and the reference is put below.
    unsafe { sched::get_task_struct(task) };
    let sender = Other::new("sender", move || {
        // SAFETY: The reference was taken above.
        unsafe {
            kill(task, Signal::Hup, false);
            sched::put_task_struct(task);
        }
    });

    assert_eq!(thread.stop(), Ok(()));
    sender.join();
}

fn signal_sleep() {
    let group = group();
    let never = completion();
    let thread = taker(&group, &[Signal::Hup], move |ctx| {
        assert_eq!(never.wait_interruptible(), Err(ERESTARTSYS));
        assert_eq!(ctx.take_signal(), Some(Signal::Hup));
        assert_eq!(ctx.wait(), Wake::Stop);
    });

    send(&thread, Signal::Hup, false).join();
    machine::wait_until_all_sleep();
    assert_eq!(thread.stop(), Ok(()));
}

fn signal_kills() {
    let group = group();
    let never = completion();
    let ended = Count::default();
    let own = ended.clone();
    let thread = taker(&group, &[Signal::Kill], move |ctx| {
        assert_eq!(never.wait_killable(), Err(ERESTARTSYS));
        own.add();
        assert_eq!(ctx.take_signal(), Some(Signal::Kill));
    });

    // The process does not die of it, so the sleep goes on.
    send(&thread, Signal::Kill, false).join();
    machine::wait_until_all_sleep();
    assert_eq!(ended.get(), 0);
    send(&thread, Signal::Kill, true).join();
    assert_eq!(thread.join(), Ok(()));
}

// The freezer.

fn freezable(name: &'static str) -> Builder {
    machine::machine().has_freezer = true;
    Builder::new(fmt!("{name}")).freezable(true)
}

/// Freezes all kernel threads and thaws them, beside the test. None of them counts in between.
fn suspend(counted: &Count) -> Other<()> {
    let counted = counted.clone();

    Other::new("suspend", move || {
        freezer::freeze_kernel_threads();
        let before = counted.get();
        machine::step("suspended");
        assert_eq!(counted.get(), before, "a thread runs that is frozen");
        freezer::thaw_kernel_threads();
    })
}

fn freeze_thawed() {
    let group = group();
    let mut thread = freezable("thread")
        .spawn(&group, |ctx| {
            let mut thawed = 0;
            while ctx.wait() == Wake::Ready {
                thawed += u32::from(ctx.take_thawed());
                assert!(!ctx.take_thawed());
            }
            thawed
        })
        .unwrap();

    machine::wait_until_all_sleep();
    freezer::freeze_kernel_threads();
    assert_eq!(freezer::frozen(), 1);
    thread.wake();
    machine::wait_until_all_sleep();
    assert_eq!(freezer::frozen(), 1);
    freezer::thaw_kernel_threads();
    machine::wait_until_all_sleep();
    assert_eq!(thread.park(), Ok(()));
    freezer::freeze_kernel_threads();
    assert_eq!(freezer::frozen(), 0);
    assert_eq!(thread.unpark(), Ok(()));
    machine::wait_until_all_sleep();
    assert_eq!(freezer::frozen(), 1);
    freezer::thaw_kernel_threads();
    thread.wake();
    machine::wait_until_all_sleep();
    assert_eq!(thread.stop(), Ok(2));
}

fn freeze_wait() {
    let group = group();
    let woken = Count::default();
    let own = woken.clone();
    let thread = freezable("thread")
        .spawn(&group, move |ctx| {
            assert_eq!(ctx.wait(), Wake::Ready);
            own.add();
        })
        .unwrap();
    let suspend = suspend(&woken);

    thread.wake();
    assert_eq!(thread.join(), Ok(()));
    suspend.join();
}

fn freeze_park() {
    let group = group();
    let woken = Count::default();
    let own = woken.clone();
    let mut thread = freezable("thread")
        .spawn(&group, move |ctx| {
            while ctx.wait() != Wake::Stop {
                own.add();
            }
        })
        .unwrap();
    let suspend = suspend(&woken);

    assert_eq!(thread.park(), Ok(()));
    thread.wake();
    assert_eq!(thread.unpark(), Ok(()));
    assert_eq!(thread.stop(), Ok(()));
    suspend.join();
}

fn freeze_return() {
    let group = group();
    let ran = Count::default();
    let own = ran.clone();
    let mut thread = freezable("thread")
        .spawn(&group, move |_| {
            own.add();
            5
        })
        .unwrap();
    let suspend = suspend(&ran);

    assert_eq!(thread.park(), Ok(()));
    assert_eq!(thread.unpark(), Ok(()));
    assert_eq!(thread.join(), Ok(5));
    suspend.join();
}

fn freeze_stop() {
    let group = group();
    let thread = freezable("thread").spawn(&group, until_stopped).unwrap();
    let suspend = suspend(&Count::default());

    assert_eq!(thread.stop(), Ok(()));
    suspend.join();
}

fn freeze_work() {
    let mut drops = Drops::new();
    let (job, runs) = job(&mut drops);
    let group = group();
    let worker = freezable("worker").spawn_worker(&group).unwrap();
    let suspend = suspend(&runs);

    assert!(worker.queue(job.clone()).is_ok());
    assert_eq!(worker.flush(), Ok(()));
    assert_eq!(runs.get(), 1);
    suspend.join();
}

// Allocations that fail.

/// Attempts something with the first allocation failing, then with the second, and so on to the last.
fn each_fails(attempt: impl Fn(Counted) -> Result) {
    for number in 0.. {
        let mut drops = Drops::new();
        let counted = drops.one();

        machine::machine().fails_after = Some(number);
        let result = attempt(counted);
        if machine::machine().fails_after.take().is_some() {
            assert!(number > 0 && result.is_ok());
            return;
        }
        assert_eq!(result, Err(ENOMEM));
    }
}

/// A placement that fails last, when there is a task.
fn preferred() -> Placement<'static> {
    // SAFETY: It is static.
    Placement::Preferred(unsafe { Cpumask::from_raw(&raw const bindings::__cpu_online_mask) })
}

fn spawn_fails() {
    let group = group();

    for node in [1, 63, 64] {
        let result = Builder::new(fmt!("node"))
            .placement(Placement::Node(node))
            .spawn(&group, |_| ());
        assert_eq!(result.err(), Some(ENODEV));
    }
    each_fails(|closure| {
        let thread =
            Builder::new(fmt!("thread"))
                .placement(preferred())
                .spawn(&group, move |ctx| {
                    until_stopped(ctx);
                    drop(closure);
                })?;

        thread.stop().unwrap();
        Ok(())
    });
}

fn scope_fails() {
    each_fails(|closure| {
        scope(|s| {
            s.spawn(fmt!("thread"), |_| drop(closure))?.join().unwrap();
            Ok(())
        })?
    });
}

fn detached_fails() {
    each_fails(|closure| {
        Builder::new(fmt!("detached"))
            .placement(preferred())
            .spawn_detached(&MODULE, move |_| drop(closure))?;
        machine::wait_for_all();
        Ok(())
    });
}

fn work_fails() {
    let group = group();

    each_fails(|closure| {
        let worker = Builder::new(fmt!("worker")).spawn_worker(&group)?;

        worker.spawn(GFP_KERNEL, move |_| drop(closure))?;
        Ok(())
    });
}

fn pool_fails() {
    let group = group();
    let policies = [Policy::Normal { nice: 0 }, Policy::Normal { nice: 1 }];

    each_fails(|closure| {
        let pool = Builder::new(fmt!("pool")).spawn_pool(&group, &policies)?;

        pool.worker(1)
            .unwrap()
            .spawn(GFP_KERNEL, move |_| drop(closure))?;
        Ok(())
    });
}

fn percpu_fails() {
    let group = group();

    each_fails(|_| {
        let value = machine::with_memory(|| on_cpu(None));

        PerCpuThreads::register(&group, fmt!("percpu"), value)?;
        Ok(())
    });
}

// The scripts that also run on the kernel: tests/calls.sh.

fn calls() {
    crate::calls::run(&|script, step, found, right| {
        assert_eq!(found, right, "step {step} of '{script}'");
    })
    .unwrap();
}
