# SPDX-License-Identifier: GPL-2.0
"""Read a trace in the text format of the kernel's `trace` file, and identify the tasks in it."""

import re
from collections.abc import Iterable

KTHREADD = 2

# TASK-PID (TGID) [CPU] flags SECONDS.MICROS: EVENT: text
LINE = re.compile(r"^\s*(?P<comm>.+)-(?P<pid>\d+)\s+\(\s*[-\d]+\)\s+\[(?P<cpu>\d+)\]\s+\S+\s+"
                  r"(?P<seconds>\d+)\.(?P<micros>\d{6}): (?P<name>\w+): ?(?P<text>.*)$")
ARG = re.compile(r"(\w+)=(\"[^\"]*\"|\S+)")
WORK = re.compile(r"^work struct[= ](\S+?):? ")
# The marks of guest.sh: I|PID|COMMAND
MARK = re.compile(r"I\|\d+\|(\w+) (\w+)")
COMMANDS = ("create", "start", "wake", "park", "unpark", "stop")


class TraceError(Exception):
    """The file is not a trace, or does not show the life of a thread."""


class Event:
    """One line of a trace."""

    def __init__(self, match: re.Match[str]) -> None:
        self.comm = match["comm"].strip()
        self.pid = int(match["pid"])
        self.cpu = int(match["cpu"])
        self.micros = int(match["seconds"]) * 1000000 + int(match["micros"])
        self.name: str = match["name"]
        self.text: str = match["text"].strip()
        self.args: dict[str, str] = {key: value.strip('"') for key, value in ARG.findall(self.text)}
        if "wait" in self.args:
            # The wait queue of a struct completion comes after its count.
            self.args["x"] = "0x%x" % (int(self.args["wait"], 16) - 8)
        # The command at this time, or "work"; set by Life.
        self.phase: str | None = None

    def number(self, key: str) -> int:
        return int(self.args.get(key, "-1"), 0)

    def function(self, key: str) -> str:
        """The name of the function that an address lies in."""
        return self.args.get(key, "").partition("+")[0]

    def work(self) -> str | None:
        """The struct kthread_work that one of the events sched_kthread_work_* is about."""
        match = WORK.match(self.text)
        return match[1] if match else None

    def slept(self, pid: int) -> str | None:
        """Whether this is the task `pid` going to sleep, and in which state; None if not."""
        if self.name != "sched_switch" or self.number("prev_pid") != pid:
            return None
        state = self.args["prev_state"]
        return None if state.startswith("R") else state[0]

    def runs(self, pid: int | None) -> bool:
        """Whether the task `pid` gets a CPU here."""
        return self.name == "sched_switch" and self.number("next_pid") == pid

    def wakes(self, pid: int | None) -> bool:
        """Whether the task `pid` is woken up here."""
        return self.name in ("sched_waking", "sched_wakeup_new") and self.number("pid") == pid


def parse(lines: Iterable[str]) -> list[Event]:
    """The events of a trace."""
    events = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.match(line)
        if not match:
            raise TraceError("line %d is none of a trace: %s" % (number, line.strip()[:60]))
        events.append(Event(match))
    return events


class Life:
    """A trace with its tasks identified."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        caller: int | None = None
        thread: int | None = None
        self.name = self.caller_comm = self.threadfn = ""
        # The task that queues a work item, and the worker that runs it.
        self.queuer: int | None = None
        self.worker: int | None = None
        self.worker_name = self.queuer_comm = ""
        seen = set()
        phase: str | None = None
        for event in events:
            if event.name == "tracing_mark_write":
                mark = MARK.fullmatch(event.text)
                if not mark:
                    raise TraceError("no mark of a command: %s" % event.text)
                verb, name = mark.groups()
                if verb == "work":
                    # The phase of the work item begins when it is queued.
                    phase, self.worker_name = None, name
                if verb not in COMMANDS:
                    continue
                phase = verb
                if verb == "create":
                    caller, self.caller_comm, self.name = event.pid, event.comm, name
            elif event.name == "kthread_queue_work" and self.worker_name and self.queuer is None:
                phase = "work"
                self.queuer, self.queuer_comm = event.pid, event.comm
            elif phase == "work" and event.name == "sched_waking" and event.args["comm"] == self.worker_name:
                self.worker = event.number("pid")
            elif event.name == "kthread_create_on_node" and event.pid == caller:
                self.threadfn = event.function("threadfn")
            elif (event.name == "sched_process_fork" and event.number("pid") == KTHREADD and
                  event.args["child_comm"] == self.name):
                thread = event.number("child_pid")
            event.phase = phase
            if phase == "work" and event.name in ("sched_kthread_work_execute_end", "kthread_stop"):
                # It ends with both events, in any order.
                seen.add(event.name)
                phase = None if len(seen) == 2 else phase
        if caller is None:
            raise TraceError("no event shows the creation of a thread")
        if thread is None:
            raise TraceError("kthreadd forks no thread '%s'" % self.name)
        self.caller, self.thread = caller, thread


def read(path: str) -> Life:
    """The life in a file."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return Life(parse(f))
