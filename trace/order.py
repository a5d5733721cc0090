#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check that the life of a kernel thread and of a work item in a trace follows the order of kernel/kthread.c.

A step is an event that has to be there, during one command, and after the steps that it follows
from. Steps that run on two CPUs at once follow from different ones, so that either may be first.
"""

import os
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from trace import ftrace  # noqa: E402
from trace.ftrace import KTHREADD, Event, Life  # noqa: E402

# The events of the steps that are found, by name.
Found = dict[str, Event]
Check = Callable[[Life, Event, Found], bool]


class Step:
    """A required event.

    name: for reports, and for those that follow; the part before the colon is the command.
    after: the names of the steps that it follows from.
    test: whether an event is it, from the life, the event, and the events of the steps before.
    """

    def __init__(self, name: str, after: str, test: Check) -> None:
        self.name = name
        self.after = after.split(", ") if after else []
        self.test = test
        self.phase = name.partition(":")[0]

    def candidates(self, life: Life, found: Found) -> list[int]:
        return [n for n, event in enumerate(life.events)
                if event.phase == self.phase and self.test(life, event, found)]


def by_caller(name: str) -> Check:
    return lambda life, event, found: event.pid == life.caller and event.name == name


def by_thread(name: str) -> Check:
    return lambda life, event, found: event.pid == life.thread and event.name == name


def wakes_thread(life: Life, event: Event, found: Found) -> bool:
    return event.pid == life.caller and event.wakes(life.thread)


def thread_runs(life: Life, event: Event, found: Found) -> bool:
    return event.runs(life.thread)


def thread_sleeps(state: str) -> Check:
    return lambda life, event, found: event.slept(life.thread) == state


def queued(life: Life, event: Event, found: Found) -> bool:
    return (event.pid == life.caller and event.name == "wake_up_process" and
            event.args["first"] != event.args["list"])


def taken_off(life: Life, event: Event, found: Found) -> bool:
    """The first entry of the list has changed: another request may have been queued behind this one."""
    return (event.pid == KTHREADD and event.name == "kernel_thread" and event.function("fn") == "kthread" and
            event.args["name"] == life.name and
            event.args["first"] != found["create: the request is on kthread_create_list"].args["first"])


def completes(wait: str) -> Check:
    """The thread, or the worker, completes the completion that this step waits for."""
    return lambda life, event, found: (event.pid in (life.thread, life.worker) and event.name == "complete" and
                                       event.args["x"] == found[wait].args["x"])


def enters_threadfn(life: Life, event: Event, found: Found) -> bool:
    """threadfn() of kthread/ begins with complete_all() for its waiters."""
    return event.pid == life.thread and event.name == "complete_all"


def works(life: Life, event: Event, found: Found) -> bool:
    return event.pid == life.thread and event.name == "ktime_get" and "unit_of_work" in event.args["from"]


def by_queuer(name: str) -> Check:
    return lambda life, event, found: event.pid == life.queuer and event.name == name


def by_worker(name: str) -> Check:
    """The worker handles the queued work item."""
    return lambda life, event, found: (event.pid == life.worker and event.name == name and
                                       event.work() == found["work: the work is queued"].work())


def stop_returns(life: Life, event: Event, found: Found) -> bool:
    return event.pid == life.caller and event.name == "sched_kthread_stop_ret" and event.number("ret") == 0


def returns_zero(name: str) -> Check:
    return lambda life, event, found: event.pid == life.caller and event.name == name and event.number("value") == 0


STEPS = [
    # __kthread_create_on_node() puts a request on kthread_create_list, wakes kthreadd, and waits.
    Step("create: kthread_create_on_node() is called", "", by_caller("kthread_create_on_node")),
    Step("create: the request is on kthread_create_list", "create: kthread_create_on_node() is called", queued),
    Step("create: kthreadd is woken", "create: the request is on kthread_create_list",
         lambda life, event, found: event.pid == life.caller and event.wakes(KTHREADD)),
    Step("create: the caller waits for `done`", "create: kthreadd is woken", by_caller("wait_for_completion_killable")),
    # kthreadd() takes the request off, and create_kthread() forks.
    Step("create: kthreadd runs", "create: kthreadd is woken", lambda life, event, found: event.runs(KTHREADD)),
    Step("create: kthreadd takes the request off", "create: kthreadd runs", taken_off),
    Step("create: kthreadd forks", "create: kthreadd takes the request off",
         lambda life, event, found: (event.pid == KTHREADD and event.name == "sched_process_fork" and
                                     event.number("child_pid") == life.thread)),
    Step("create: the thread may run", "create: kthreadd forks",
         lambda life, event, found: event.name == "sched_wakeup_new" and event.number("pid") == life.thread),
    # kthread() reports that it exists, and sleeps until it is woken.
    Step("create: the thread runs", "create: the thread may run", thread_runs),
    Step("create: kthread() is entered", "create: the thread runs", by_thread("kthread")),
    Step("create: the thread completes `done`", "create: kthread() is entered",
         completes("create: the caller waits for `done`")),
    Step("create: the thread sleeps (D)", "create: the thread completes `done`", thread_sleeps("D")),
    Step("create: kthread_create_on_node() returns",
         "create: the thread completes `done`, create: the caller waits for `done`",
         by_caller("kthread_create_on_node_return")),
    Step("start: wake_up_process() is called", "create: the thread sleeps (D)", by_caller("wake_up_process")),
    Step("start: the thread is woken", "start: wake_up_process() is called", wakes_thread),
    Step("start: the thread runs", "start: the thread is woken", thread_runs),
    Step("start: threadfn() is entered", "start: the thread runs", enters_threadfn),
    Step("start: the thread sleeps (S)", "start: threadfn() is entered", thread_sleeps("S")),
    Step("wake: wake_up_process() is called", "start: the thread sleeps (S)", by_caller("wake_up_process")),
    Step("wake: the thread is woken", "wake: wake_up_process() is called", wakes_thread),
    Step("wake: the thread runs", "wake: the thread is woken", thread_runs),
    Step("wake: the thread works", "wake: the thread runs", works),
    Step("wake: the thread sleeps (S)", "wake: the thread works", thread_sleeps("S")),
    # kthread_park() waits for `parked`, and until the thread is off its CPU.
    Step("park: kthread_park() is called", "wake: the thread sleeps (S)", by_caller("kthread_park")),
    Step("park: the thread is woken", "park: kthread_park() is called", wakes_thread),
    Step("park: the caller waits for `parked`", "park: the thread is woken", by_caller("wait_for_completion")),
    Step("park: the thread runs", "park: the thread is woken", thread_runs),
    Step("park: the thread sees kthread_should_park()", "park: the thread runs", by_thread("kthread_should_park")),
    Step("park: kthread_parkme() is called", "park: the thread sees kthread_should_park()", by_thread("kthread_parkme")),
    Step("park: the thread completes `parked`", "park: kthread_parkme() is called",
         completes("park: the caller waits for `parked`")),
    Step("park: the thread is parked (P)", "park: the thread completes `parked`", thread_sleeps("P")),
    Step("park: kthread_park() returns 0", "park: the thread is parked (P), park: the caller waits for `parked`",
         returns_zero("kthread_park_return")),
    Step("unpark: kthread_unpark() is called", "park: kthread_park() returns 0", by_caller("kthread_unpark")),
    Step("unpark: the thread is woken", "unpark: kthread_unpark() is called", wakes_thread),
    Step("unpark: the thread runs", "unpark: the thread is woken", thread_runs),
    Step("unpark: the thread sleeps (S)", "unpark: the thread runs", thread_sleeps("S")),
    # kthread_stop() unparks, wakes, and waits for `exited`, which do_exit() completes.
    Step("stop: kthread_stop() is called", "unpark: the thread sleeps (S)", by_caller("kthread_stop")),
    Step("stop: kthread_stop() says whom it stops", "stop: kthread_stop() is called",
         lambda life, event, found: event.name == "sched_kthread_stop" and event.number("pid") == life.thread),
    Step("stop: kthread_unpark() is called", "stop: kthread_stop() says whom it stops", by_caller("kthread_unpark")),
    Step("stop: wake_up_process() is called", "stop: kthread_unpark() is called", by_caller("wake_up_process")),
    Step("stop: the thread is woken", "stop: wake_up_process() is called", wakes_thread),
    Step("stop: the caller waits for `exited`", "stop: the thread is woken", by_caller("wait_for_completion")),
    Step("stop: the thread runs", "stop: the thread is woken", thread_runs),
    Step("stop: do_exit() is called", "stop: the thread runs", by_thread("do_exit")),
    Step("stop: kthread_do_exit() keeps the result", "stop: do_exit() is called", by_thread("kthread_do_exit")),
    Step("stop: the thread exits", "stop: kthread_do_exit() keeps the result", by_thread("sched_process_exit")),
    Step("stop: the thread completes `exited`", "stop: the thread exits",
         completes("stop: the caller waits for `exited`")),
    Step("stop: the thread is gone (X)", "stop: the thread completes `exited`", thread_sleeps("X")),
    Step("stop: kthread_stop() returns 0", "stop: the thread completes `exited`, stop: the caller waits for `exited`",
         stop_returns),
    # kthread_insert_work() adds the work item to the list and wakes the worker, which runs kthread_worker_fn().
    Step("work: kthread_queue_work() is called", "stop: kthread_stop() returns 0", by_queuer("kthread_queue_work")),
    Step("work: the work is queued", "work: kthread_queue_work() is called",
         by_queuer("sched_kthread_work_queue_work")),
    Step("work: the worker is woken", "work: the work is queued",
         lambda life, event, found: event.pid == life.queuer and event.wakes(life.worker)),
    Step("work: the caller waits for `done`", "work: the worker is woken", by_queuer("prepare_to_swait_exclusive")),
    Step("work: the worker runs", "work: the worker is woken", lambda life, event, found: event.runs(life.worker)),
    Step("work: the work begins", "work: the worker runs", by_worker("sched_kthread_work_execute_start")),
    Step("work: the work completes `done`", "work: the work begins", completes("work: the caller waits for `done`")),
    Step("work: the work ends", "work: the work completes `done`", by_worker("sched_kthread_work_execute_end")),
]


def match(life: Life) -> tuple[Found, dict[str, str]]:
    """Find the event of each step. Returns two dictionaries by name, of events and of faults.

    What follows from a step that is wrong is in neither.
    """
    found: Found = {}
    wrong: dict[str, str] = {}
    places: dict[str, int] = {}
    for step in STEPS:
        if not all(name in found for name in step.after):
            continue
        try:
            candidates = step.candidates(life, found)
        except KeyError:
            # A missing step is described by the event that it needs.
            candidates = []
        first = max((places[name] for name in step.after), default=-1)
        place = next((n for n in candidates if n > first), None)
        if place is not None:
            found[step.name] = life.events[place]
            places[step.name] = place
        elif candidates:
            wrong[step.name] = "comes too early, before '%s'" % max(step.after, key=places.__getitem__)
        else:
            wrong[step.name] = "is missing"
    return found, wrong


def main(argv: list[str]) -> int:
    if len(argv) != 1:
        print("usage: order.py TRACE", file=sys.stderr)
        return 2
    try:
        life = ftrace.read(argv[0])
    except (OSError, ftrace.TraceError) as e:
        print("order.py: %s" % e, file=sys.stderr)
        return 1
    found, wrong = match(life)
    for name, reason in wrong.items():
        print("order.py: %s: %s" % (name, reason), file=sys.stderr)
    if wrong:
        print("order.py: %d of %d steps are in order" % (len(found), len(STEPS)), file=sys.stderr)
    else:
        print("%d steps, all in the order of kernel/kthread.c" % len(STEPS))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
