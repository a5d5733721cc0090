#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draw the life of a kernel thread and of a work item from a trace: a lane for each task, a row for each event.

usage: picture.py TRACE RELEASE SVG TEXT
"""

import os
import sys
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from trace import ftrace  # noqa: E402
from trace.ftrace import KTHREADD, Event  # noqa: E402

CALLER, MAKER, THREAD = range(3)

PHASES = {
    "create": "Create: the caller asks, kthreadd forks, the new thread answers and sleeps",
    "start": "Start: the first wake-up",
    "wake": "Wake: one unit of work",
    "park": "Park: the caller waits until the thread sleeps where no wake-up reaches it",
    "unpark": "Unpark: the thread goes on where it was",
    "stop": "Stop: the caller waits until the thread has exited",
    "work": "Work: a kthread_worker does what is queued, before it is stopped",
}

# State of a task in the picture -> its label.
STATES = {
    "R": "runs",
    "w": "ready, has no CPU yet",
    "S": "sleeps, interruptible",
    "D": "sleeps, uninterruptible",
    "P": "is parked",
}


class Cast:
    """The tasks in the lanes."""

    def __init__(self, caller: int, caller_comm: str, thread: int, name: str, role: str) -> None:
        self.pids = (caller, KTHREADD, thread)
        self.names = (caller_comm, "kthreadd", name)
        self.role = role  # of the thread
        self.lanes = {pid: lane for lane, pid in enumerate(self.pids)}


# Of a task, one of STATES, or None where there is no task.
State = str | None


@dataclass(eq=False)
class Row:
    """One row: the actions of tasks (lane -> text), and the arrows between them."""

    event: Event
    cast: Cast
    labels: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    quiet: set[int] = field(default_factory=set)  # lanes whose label is no function but the scheduler's doing
    arrow: tuple[int, int] | None = None  # (from, to)
    forks: bool = False
    states: dict[int, State] = field(default_factory=dict)  # lane -> state from here on

    @property
    def phase(self) -> str:
        return self.event.phase or ""


class Story:
    """The rows of a trace."""

    def __init__(self, life: ftrace.Life) -> None:
        self.life = life
        self.rows: list[Row] = []
        self.completed: set[str] = set()  # addresses of completions
        self.waits_for: dict[int | None, str | None] = {}  # pid -> the completion that it waits for, by what it calls
        self.latest: dict[int, Row | None] = {}  # pid -> row of the function that may wake somebody
        self.units = 0
        self.entered = False
        self.enter(Cast(life.caller, life.caller_comm, life.thread, life.name, "the new thread"), None)
        for number, event in enumerate(life.events):
            if (event.phase == "work" and life.queuer is not None and life.worker is not None
                    and life.worker not in self.lanes):
                self.enter(Cast(life.queuer, life.queuer_comm, life.worker, life.worker_name, "the worker"), "S")
            if event.phase is not None:
                self.add(number, event)

    def enter(self, cast: Cast, state: State) -> None:
        """Begin a new set of tasks in the lanes, with the thread in this state."""
        self.cast, self.lanes, self.names = cast, cast.lanes, cast.names
        self.state: dict[int, State] = {CALLER: "R", MAKER: "S", THREAD: state}

    def row(self, event: Event, lane: int = CALLER, label: str | None = None, note: str | None = None) -> Row:
        row = Row(event, self.cast)
        if not self.rows or self.rows[-1].cast is not self.cast:
            row.states.update(self.state)
        self.rows.append(row)
        if label:
            self.label(row, lane, label, note)
        return row

    @staticmethod
    def label(row: Row, lane: int, label: str, note: str | None = None, quiet: bool = False) -> None:
        row.labels[lane] = label
        if note:
            row.notes[lane] = note
        if quiet:
            row.quiet.add(lane)

    def set_state(self, row: Row, lane: int, state: State) -> None:
        self.state[lane] = state
        row.states[lane] = state

    def add(self, number: int, event: Event) -> None:
        if event.name == "sched_switch":
            self.add_switch(event)
            return
        lane = self.lanes.get(event.pid)
        if lane is None:
            return
        if event.name in ("sched_waking", "sched_wakeup_new"):
            self.add_wake(event, lane)
            return
        handler = getattr(self, "on_" + event.name, None)
        if handler:
            handler(number, event, lane)

    # Events of the scheduler.

    def add_switch(self, event: Event) -> None:
        before, after = self.lanes.get(event.number("prev_pid")), self.lanes.get(event.number("next_pid"))
        slept = None if before is None else event.slept(event.number("prev_pid"))
        changes: dict[int, str] = {}
        if before is not None and slept:
            changes[before] = slept
        elif before is not None and after is not None:
            changes[before] = "w"
        if after is not None and self.state[after] != "R":
            changes[after] = "R"
        # Skip preemptions by tasks other than these three, and the returns from them.
        if not changes:
            return
        row = self.row(event)
        for lane, state in changes.items():
            if state == "R":
                text = "runs on CPU %d" % event.cpu
            elif state == "X":
                text = "gone"
            elif state == "w":
                text = "preempted"
            elif state == "P":
                text = "parked (P)"
            else:
                text = "schedule(), sleeps (%s)" % state
                if lane == THREAD and not self.entered:
                    text += " until it is first woken"
            self.label(row, lane, text, quiet=True)
            self.set_state(row, lane, state if state != "X" else None)

    def add_wake(self, event: Event, lane: int) -> None:
        target = self.lanes.get(event.number("pid"))
        if target is None:
            return
        row = self.latest.get(event.pid)
        if event.name == "sched_wakeup_new":
            row = self.row(event, lane, "wake_up_new_task()")
        elif row is None or any(target in later.states for later in self.rows[self.rows.index(row) + 1:]):
            row = self.row(event, lane, "wakes %s" % self.names[target])
        row.arrow = (lane, target)
        self.set_state(row, target, "w")
        self.latest[event.pid] = None

    def waker(self, event: Event, lane: int, label: str, note: str | None = None) -> None:
        """A function that may wake a task; the next event of this task shows whether it does."""
        self.latest[event.pid] = self.row(event, lane, label, note)

    def wakes_one(self, number: int, event: Event) -> bool:
        """Whether the next action of the task is to wake one of the three."""
        for other in self.life.events[number + 1:]:
            if other.pid != event.pid:
                continue
            if other.name != "sched_waking":
                return False
            if any(other.wakes(pid) for pid in self.lanes):
                return True
        return False

    # Events of the tasks.

    def on_kthread_create_on_node(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = "done"
        self.row(event, lane, "kthread_create_on_node()")

    def on_kthread_create_on_node_return(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = None
        self.row(event, lane, "kthread_create_on_node() returns")

    def on_wake_up_process(self, number: int, event: Event, lane: int) -> None:
        if not self.wakes_one(number, event):
            return
        note = "kthread_create_list has a request" if event.args["first"] != event.args["list"] else None
        self.waker(event, lane, "wake_up_process()", note)

    def on_wait_for_completion_killable(self, number: int, event: Event, lane: int) -> None:
        self.wait(event, lane)

    def on_wait_for_completion(self, number: int, event: Event, lane: int) -> None:
        self.wait(event, lane)

    def on_prepare_to_swait_exclusive(self, number: int, event: Event, lane: int) -> None:
        # The worker completes for its work item first, and then for its exit.
        if self.waits_for.get(event.pid) == "done" and event.phase == "work":
            self.wait(event, lane)
            self.waits_for[event.pid] = None

    def wait(self, event: Event, lane: int) -> None:
        name = self.waits_for.get(event.pid)
        if name:
            done = event.args["x"] in self.completed
            self.row(event, lane, "%s(&%s)" % (event.name, name), "is complete already" if done else None)

    def on_kernel_thread(self, number: int, event: Event, lane: int) -> None:
        empty = event.args["first"] == event.args["list"]
        self.row(event, lane, "kernel_thread(%s)" % event.function("fn"),
                 "kthread_create_list is empty again" if empty else None)

    def on_sched_process_fork(self, number: int, event: Event, lane: int) -> None:
        if event.number("child_pid") == self.life.thread:
            row = self.row(event, lane, "copy_process(): forks")
            row.arrow, row.forks = (lane, THREAD), True
            self.set_state(row, THREAD, "w")

    def on_kthread(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "kthread()")

    def on_complete(self, number: int, event: Event, lane: int) -> None:
        # The wait may begin before or after this, as they race.
        waiter = next((other.pid for other in self.life.events if other.phase == event.phase and
                       other.args.get("x") == event.args["x"] and other.name in WAITS), None)
        name = "done" if event.phase == "work" and waiter else self.waits_for.get(waiter)
        if name:
            self.completed.add(event.args["x"])
            self.waker(event, lane, "complete(&%s)" % name)

    def on_complete_all(self, number: int, event: Event, lane: int) -> None:
        if lane == THREAD:
            self.row(event, lane, "threadfn() begins")
            self.entered = True

    def on_ktime_get(self, number: int, event: Event, lane: int) -> None:
        self.units += 1
        self.row(event, lane, "works" if self.units % 2 else "work is done")

    def on_kthread_should_park(self, number: int, event: Event, lane: int) -> None:
        # A thread may check more than once before it parks.
        text = "kthread_should_park() is true"
        if not any(text == row.labels.get(lane) for row in self.rows):
            self.row(event, lane, text)

    def on_kthread_park(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = "parked"
        self.row(event, lane, "kthread_park()")

    def on_kthread_park_return(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = None
        self.row(event, lane, "kthread_park() returns %d" % event.number("value"))

    def on_kthread_parkme(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "kthread_parkme()")

    def on_kthread_unpark(self, number: int, event: Event, lane: int) -> None:
        self.waker(event, lane, "kthread_unpark()")

    def on_kthread_stop(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = "exited"
        self.row(event, lane, "kthread_stop()")

    def on_sched_kthread_stop_ret(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = None
        self.row(event, lane, "kthread_stop() returns %d" % event.number("ret"))

    def on_kthread_queue_work(self, number: int, event: Event, lane: int) -> None:
        self.waits_for[event.pid] = "done"
        self.row(event, lane, "kthread_queue_work()")

    def on_sched_kthread_work_queue_work(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "kthread_insert_work()", event.name)

    def on_sched_kthread_work_execute_start(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "work->func() begins", event.name)

    def on_sched_kthread_work_execute_end(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "work->func() has returned", event.name)

    def on_do_exit(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "do_exit()")

    def on_kthread_do_exit(self, number: int, event: Event, lane: int) -> None:
        self.row(event, lane, "kthread_do_exit()")


# The functions by which a task begins to wait for a completion.
WAITS = ("wait_for_completion", "wait_for_completion_killable", "prepare_to_swait_exclusive")


def typed(row: Row) -> str:
    """The command that causes this phase."""
    if row.phase == "work":
        return "rmmod kthread_worker"
    return "echo %s %s > control" % (row.phase, row.cast.names[THREAD])


# The picture. Lanes are columns. All rows have the same height, so time is not to scale.

WIDTH = 1060
ROW = 23
HEAD = 132
PHASE = 44
CAST = 70
LANE_X = (376, 540, 770)
TIME_X = 72

STYLE = """
svg { color-scheme: light dark }
.card { fill: #ffffff; stroke: #d0d7de }
.band { fill: #f3f5f8 }
text { font: 12.5px ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; fill: #1f2328 }
.code { font: 12.5px ui-monospace, "DejaVu Sans Mono", monospace }
.title { font-size: 19px; font-weight: 600 }
.name { font-size: 14px; font-weight: 600 }
.soft, .quiet { fill: #656d76; font-size: 11.5px }
.note { fill: #9a4b00; font-size: 11.5px }
.time { fill: #656d76; font: 11px ui-monospace, "DejaVu Sans Mono", monospace }
.lane { stroke-linecap: butt; fill: none }
.R { stroke: #1a7f37; stroke-width: 12 }
.w { stroke: #8fd19e; stroke-width: 12 }
.S { stroke: #0969da; stroke-width: 3 }
.D { stroke: #cf222e; stroke-width: 3; stroke-dasharray: 7 4 }
.P { stroke: #8250df; stroke-width: 5; stroke-dasharray: 2 3 }
.dot { fill: #ffffff; stroke: #1a7f37; stroke-width: 2 }
.arrow { stroke: #1f2328; stroke-width: 1.4; fill: none }
.fork { stroke-dasharray: 5 4 }
.head { fill: #1f2328 }
@media (prefers-color-scheme: dark) {
.card { fill: #0d1117; stroke: #30363d }
.band { fill: #1a2029 }
text { fill: #e6edf3 }
.soft, .quiet, .time { fill: #9198a1 }
.note { fill: #f0a35b }
.R { stroke: #3fb950 }
.w { stroke: #1f5f30 }
.S { stroke: #58a6ff }
.D { stroke: #ff7b72 }
.P { stroke: #bc8cff }
.dot { fill: #0d1117; stroke: #3fb950 }
.arrow { stroke: #e6edf3 }
.head { fill: #e6edf3 }
}
"""


class Picture:
    """Writes the elements of an SVG."""

    def __init__(self, story: Story, release: str) -> None:
        self.story = story
        self.release = release
        self.out: list[str] = []
        self.place()

    def place(self) -> None:
        """Compute the heights of rows and phases, and the extent of the lanes of each cast."""
        y, phase, cast = HEAD, None, self.story.rows[0].cast
        self.y, self.heads, self.casts = [], [], []
        top = y
        for row in self.story.rows:
            if row.cast is not cast:
                self.casts.append((cast, top, y))
                y += CAST
                cast, top = row.cast, y
            if row.phase != phase:
                phase = row.phase
                self.heads.append((y, row))
                y += PHASE
            if row.notes:
                y += 12
            elif row.arrow and row.arrow[0] == MAKER:
                y += 8
            self.y.append(y)
            y += ROW
        self.casts.append((cast, top, y - 6))
        self.height = y + 34

    def put(self, text: str, *values: object) -> None:
        self.out.append(text % values if values else text)

    def text(self, x: float, y: float, css: str, content: str, anchor: str = "start") -> None:
        self.put('<text x="%g" y="%g" class="%s"%s>%s</text>', x, y, css,
                 '' if anchor == "start" else ' text-anchor="%s"' % anchor, escape(content))

    def line(self, css: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self.put('<path class="%s" d="M%g %gL%g %g"/>', css, x1, y1, x2, y2)

    def draw(self) -> str:
        story = self.story
        self.put('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">',
                 WIDTH, self.height, WIDTH, self.height)
        self.put('<title>%s</title>', "The life of a kernel thread, as the kernel traced it")
        self.out.append("<style>%s</style>" % STYLE)
        self.put('<rect class="card" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>', WIDTH - 1, self.height - 1)
        self.text(24, 36, "title", "The life of a kernel thread, as Linux %s traced it" % self.release)
        self.legend(24, 62)
        for cast, top, bottom in self.casts:
            self.lane_heads(cast, top)
            for lane in (CALLER, MAKER, THREAD):
                self.lane(lane, cast, top, bottom)
        for y, row in self.heads:
            self.phase_head(y, row)
        for y, row in zip(self.y, story.rows):
            self.draw_row(y, row)
        self.text(24, self.height - 14, "soft", "Made by `make trace`. Rows are events in their order, times those of an "
                  "emulated machine. Left out: what other tasks do, and preemption by them.")
        self.put("</svg>")
        return "\n".join(self.out) + "\n"

    def legend(self, x: float, y: float) -> None:
        for state, text in STATES.items():
            self.line("lane " + state, x, y - 4, x + 26, y - 4)
            self.text(x + 34, y, "soft", "%s%s" % (text, " (%s)" % state if state in "SDP" else ""))
            x += 56 + 5.9 * (len(text) + (4 if state in "SDP" else 0))
        self.arrow(x, x + 26, y - 4, False)
        self.text(x + 34, y, "soft", "wakes")
        x += 80
        self.arrow(x, x + 26, y - 4, True)
        self.text(x + 34, y, "soft", "forks")

    def lane_heads(self, cast: Cast, y: float) -> None:
        heads = ((CALLER, "the caller", "%s, PID %d" % (cast.names[CALLER], cast.pids[CALLER]), "end", 12),
                 (MAKER, "kthreadd", "PID %d" % KTHREADD, "start", -12),
                 (THREAD, cast.role, "%s, PID %d" % (cast.names[THREAD], cast.pids[THREAD]), "start", -12))
        for lane, name, detail, anchor, shift in heads:
            self.text(LANE_X[lane] + shift, y - 30, "name", name, anchor)
            self.text(LANE_X[lane] + shift, y - 13, "soft", detail, anchor)
        self.text(TIME_X, y - 13, "soft", "ms", "end")

    def phase_head(self, y: float, row: Row) -> None:
        self.put('<rect class="band" x="1" y="%g" width="%d" height="27"/>', y, WIDTH - 2)
        self.text(24, y + 18, "name", PHASES[row.phase])
        self.text(WIDTH - 24, y + 18, "code", typed(row), "end")

    def lane(self, lane: int, cast: Cast, top: float, bottom: float) -> None:
        """The bars that show the state of each task."""
        x = LANE_X[lane]
        rows = [(y, row) for y, row in zip(self.y, self.story.rows) if row.cast is cast and lane in row.states]
        state, since = rows[0][1].states[lane], top
        for y, row in rows[1:]:
            if state:
                self.line("lane " + state, x, since, x, y)
            state, since = row.states[lane], y
        if state:
            self.line("lane " + state, x, since, x, bottom)

    def arrow(self, x1: float, x2: float, y: float, forks: bool) -> None:
        direction = 1 if x2 > x1 else -1
        self.line("arrow fork" if forks else "arrow", x1, y, x2 - 7 * direction, y)
        self.put('<path class="head" d="M%g %gl%g -4.5v9z"/>', x2, y, -9 * direction)

    def draw_row(self, y: float, row: Row) -> None:
        start = self.story.rows[0].event.micros
        self.text(TIME_X, y + 4, "time", "%.3f" % ((row.event.micros - start) / 1000), "end")
        if row.arrow:
            source, target = (LANE_X[lane] for lane in row.arrow)
            way = 1 if target > source else -1
            self.arrow(source + 6 * way, target - 8 * way, y, row.forks)
        for lane, text in row.labels.items():
            css = "quiet" if lane in row.quiet else "code"
            if lane not in row.quiet:
                self.put('<circle class="dot" cx="%g" cy="%g" r="3.5"/>', LANE_X[lane], y)
            x, anchor = LANE_X[lane] + 14, "start"
            at = y + 4
            if lane == CALLER:
                x, anchor = LANE_X[lane] - 14, "end"
            elif row.arrow and row.arrow[1] > lane:
                at = y - 5
            self.text(x, at, css, text, anchor)
            if lane in row.notes:
                self.text(x, at - 15, "note", row.notes[lane], anchor)


def as_text(story: Story, release: str) -> str:
    """The picture as text for a terminal."""
    out = ["The life of a kernel thread, as Linux %s traced it." % release, "", "States of tasks:"]
    out += ["  %s  %s" % (state, text) for state, text in STATES.items()]
    out += ["  .  not there"]
    phase = cast = None
    states = {}
    start = story.rows[0].event.micros
    for row in story.rows:
        if row.cast is not cast:
            cast = row.cast
            out += ["", "Tasks: %s (%d, the caller), kthreadd (%d) and %s (%d, %s)" %
                    (cast.names[CALLER], cast.pids[CALLER], KTHREADD, cast.names[THREAD], cast.pids[THREAD], cast.role)]
            out += ["", "%9s  %-6s %-8s %-5s %s" % ("ms", cast.names[CALLER][:6], "kthreadd", cast.names[THREAD][:5],
                                                    "what happens")]
        if row.phase != phase:
            phase = row.phase
            out += ["", "# " + typed(row), "# " + PHASES[phase]]
        states.update(row.states)
        letters = [states[lane] or "." for lane in (CALLER, MAKER, THREAD)]
        texts = []
        for lane, text in row.labels.items():
            text = "%s: %s" % (cast.names[lane], text)
            if row.arrow and row.arrow[0] == lane:
                text += "  --%s--> %s" % ("forks" if row.forks else "wakes", cast.names[row.arrow[1]])
            if lane in row.notes:
                text += "  (%s)" % row.notes[lane]
            texts.append(text)
        out.append("%9.3f  %-6s %-8s %-5s %s" % ((row.event.micros - start) / 1000, letters[0], letters[1], letters[2], "; ".join(texts)))
    return "\n".join(out) + "\n"


def main(argv: list[str]) -> int:
    if len(argv) != 4:
        print("usage: picture.py TRACE RELEASE SVG TEXT", file=sys.stderr)
        return 2
    trace, release, svg, text = argv
    try:
        story = Story(ftrace.read(trace))
        with open(svg, "w", encoding="utf-8") as f:
            f.write(Picture(story, release).draw())
        with open(text, "w", encoding="utf-8") as f:
            f.write(as_text(story, release))
    except (OSError, ftrace.TraceError) as e:
        print("picture.py: %s" % e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
