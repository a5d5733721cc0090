#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make an HTML page of the life of a kernel thread: the picture, a description of each function, and the text.

usage: page.py TRACE RELEASE HTML [SOURCE]

The page is one file and loads nothing. Links lead to the kernel's cross reference, to the
line of the function in the kernel tree SOURCE, or to its identifier without that.
"""

import html
import os
import re
import sys
from collections.abc import Iterator

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from trace import ftrace, picture  # noqa: E402

REFERENCE = "https://elixir.bootlin.com/linux"

# Function -> its file and description.
FUNCTIONS = {
    "complete": ("kernel/sched/completion.c", "Lets one task through that waits for the completion, and wakes it."),
    "copy_process": ("kernel/fork.c", "Copies the calling task. kthreadd forks every kernel thread."),
    "do_exit": ("kernel/exit.c", "Ends the calling task: it gives back what it has, and never returns."),
    "kernel_thread": ("kernel/fork.c", "Forks a task that begins in the given function of the kernel."),
    "kthread": ("kernel/kthread.c", "Where every kernel thread begins: it reports to its creator, sleeps until it is "
                "first woken, and then calls the thread function."),
    "kthread_create_on_node": ("kernel/kthread.c", "Asks kthreadd for a thread, and waits until it exists. "
                               "kthread_create() is a macro for it."),
    "kthread_do_exit": ("kernel/kthread.c", "Stores the value of the thread function. On the way out `exited` is "
                        "completed, for which kthread_stop() waits."),
    "kthread_insert_work": ("kernel/kthread.c", "Appends a work item to the list of a worker, and wakes its thread."),
    "kthread_park": ("kernel/kthread.c", "Asks a thread to park, and waits until it has."),
    "kthread_parkme": ("kernel/kthread.c", "Sleeps in TASK_PARKED, which no ordinary wake-up ends, until the thread "
                       "is unparked."),
    "kthread_queue_work": ("kernel/kthread.c", "Queues a work item to a worker."),
    "kthread_should_park": ("kernel/kthread.c", "Tells the calling thread whether it is asked to park."),
    "kthread_stop": ("kernel/kthread.c", "Asks a thread to return, wakes it, and waits until it has exited."),
    "kthread_unpark": ("kernel/kthread.c", "Lets a parked thread go on."),
    "prepare_to_swait_exclusive": ("kernel/sched/swait.c", "Puts the calling task on a wait queue, and sets its "
                                   "state, before it sleeps."),
    "schedule": ("kernel/sched/core.c", "Gives the CPU to another task. The caller sleeps if its state says so."),
    "wait_for_completion": ("kernel/sched/completion.c", "Sleeps until the completion is completed."),
    "wait_for_completion_killable": ("kernel/sched/completion.c", "Sleeps until the completion is completed, or the "
                                     "task is killed."),
    "wake_up_new_task": ("kernel/sched/core.c", "Makes a task that has just been forked runnable."),
    "wake_up_process": ("kernel/sched/core.c", "Makes a sleeping task runnable."),
}

# Labels other than C functions -> their meaning.
OTHERS = {
    "threadfn()": "The function, or here the Rust closure, that the thread was created with.",
    "work->func()": "The function of the work item, which the worker calls.",
    "runs on CPU": "The scheduler gives the task a CPU.",
    "preempted": "The scheduler takes the CPU from the task, which stays runnable.",
    "parked": "The thread sleeps in TASK_PARKED. ps shows P.",
    "gone": "The task has left its CPU for the last time.",
    "wakes": "Makes a sleeping task runnable.",
    "works": "The thread does one unit of work.",
    "work is done": "The thread has done one unit of work.",
}

FUNCTION = re.compile(r"(\w+)\(")


def definition(lines: list[str], name: str) -> int | None:
    """The line number of the definition of a C function, or None."""
    begin = re.compile(r"[a-z_].*[ *]%s\(" % re.escape(name))
    for number, line in enumerate(lines, 1):
        # Skip calls, which are indented, and declarations.
        if not begin.match(line) or line.startswith("return"):
            continue
        end = number - 1
        while end < len(lines) and not re.search(r"[;{]", lines[end]):
            end += 1
        if end < len(lines) and lines[end].lstrip().startswith("{"):
            return number
    return None


class Source:
    """The links of functions into the cross reference."""

    def __init__(self, release: str, tree: str | None) -> None:
        numbers = re.match(r"(\d+\.\d+)(?:\.(\d+))?", release)
        if not numbers:
            raise ftrace.TraceError("'%s' is no release of the kernel" % release)
        self.tag = "v" + numbers[1] + ("." + numbers[2] if numbers[2] and numbers[2] != "0" else "")
        self.tree = tree
        self.files: dict[str, list[str]] = {}

    def line(self, path: str, name: str) -> int | None:
        if self.tree is None:
            return None
        if path not in self.files:
            with open(os.path.join(self.tree, path), encoding="utf-8", errors="replace") as f:
                self.files[path] = f.read().splitlines()
        return definition(self.files[path], name)

    def link(self, name: str) -> str:
        path = FUNCTIONS[name][0]
        line = self.line(path, name)
        if line is None:
            return "%s/%s/A/ident/%s" % (REFERENCE, self.tag, name)
        return "%s/%s/source/%s#L%d" % (REFERENCE, self.tag, path, line)


def explain(label: str) -> tuple[str | None, str]:
    """The function of a label, if it is one of FUNCTIONS, and its description."""
    match = FUNCTION.match(label)
    if match and match[1] in FUNCTIONS:
        return match[1], FUNCTIONS[match[1]][1]
    return None, next((text for words, text in OTHERS.items() if label.startswith(words)), "")


class PagePicture(picture.Picture):
    """The picture, with an element and links for each row."""

    def __init__(self, story: picture.Story, release: str, source: Source) -> None:
        super().__init__(story, release)
        self.source = source
        self.row: int | None = None

    def draw_row(self, y: float, row: picture.Row) -> None:
        self.row = self.story.rows.index(row)
        self.put('<g class="row" data-row="%d" tabindex="0">', self.row)
        self.put('<rect class="hit" x="1" y="%g" width="%d" height="%d"/>', y - picture.ROW / 2, picture.WIDTH - 2,
                 picture.ROW)
        super().draw_row(y, row)
        self.put("</g>")
        self.row = None

    def text(self, x: float, y: float, css: str, content: str, anchor: str = "start") -> None:
        function = explain(content)[0] if self.row is not None and css in ("code", "quiet") else None
        if function:
            self.put('<a href="%s" target="_blank" rel="noopener">', html.escape(self.source.link(function)))
        super().text(x, y, css, content, anchor)
        if function:
            self.put("</a>")


def entries(story: picture.Story, source: Source) -> Iterator[str]:
    """The text beside the picture: a list entry for each row."""
    phase = None
    start = story.rows[0].event.micros
    for number, row in enumerate(story.rows):
        if row.phase != phase:
            phase = row.phase
            yield '<li class="phase"><code>%s</code> %s</li>' % (html.escape(picture.typed(row)),
                                                                 html.escape(picture.PHASES[phase]))
        parts = []
        for lane, label in row.labels.items():
            function, what = explain(label)
            text = "<b>%s</b>: <code>%s</code>" % (html.escape(row.cast.names[lane]), html.escape(label))
            if row.arrow and row.arrow[0] == lane:
                text += " %s %s" % ("forks" if row.forks else "wakes", html.escape(row.cast.names[row.arrow[1]]))
            if lane in row.notes:
                text += " (%s)" % html.escape(row.notes[lane])
            if what:
                text += '<span class="what">%s</span>' % html.escape(what)
            if function:
                text += '<a href="%s" target="_blank" rel="noopener">%s(), %s</a>' % (
                    html.escape(source.link(function)), function, FUNCTIONS[function][0])
            parts.append(text)
        yield '<li class="entry" data-row="%d"><time>%.3f ms</time> %s</li>' % (
            number, (row.event.micros - start) / 1000, "<br>".join(parts))


PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>The life of a kernel thread</title>
<style>
:root { color-scheme: light dark }
body { margin: 0; height: 100vh; display: flex; font: 14px system-ui, sans-serif; background: #fff; color: #1f2328 }
#left { flex: 1 1 65%%; overflow: auto }
#right { flex: 1 1 35%%; overflow: auto; border-left: 1px solid #8888 }
#bar { position: sticky; top: 0; padding: 6px; background: inherit; z-index: 1 }
#left #bar { background: #f3f5f8 }
#detail { position: sticky; top: 0; min-height: 7em; padding: 10px; background: #f3f5f8; border-bottom: 1px solid #8888 }
ul { list-style: none; margin: 0; padding: 0 }
li { padding: 4px 10px }
.phase { font-weight: 600; margin-top: 8px }
.entry .what, .entry a { display: none }
#detail .what { display: block; margin: 4px 0 }
#detail a { display: block }
time { color: #808890; font-size: 12px }
.hit { fill: none; pointer-events: all }
.on .hit { fill: #ffd33d; fill-opacity: .35 }
.entry.on { background: #ffd33d59 }
svg a:hover text { text-decoration: underline }
@media (prefers-color-scheme: dark) {
body { background: #0d1117; color: #e6edf3 }
#left #bar, #detail { background: #1a2029 }
a { color: #58a6ff }
}
</style>
<div id="left">
<div id="bar"><button id="in" title="+">zoom in</button> <button id="out" title="-">zoom out</button>
<button id="reset" title="0">reset</button> <span id="zoom">100 %%</span></div>
%(svg)s
</div>
<div id="right">
<div id="detail">Point at a line of the picture or of the text: here is what the function does, with a link to its source.
Keys: + and - zoom, 0 resets, the arrows go from line to line.</div>
<ul>
%(entries)s
</ul>
</div>
<script>
"use strict";
const svg = document.querySelector("svg");
const detail = document.getElementById("detail");
const rows = [...document.querySelectorAll(".row")];
const entry = [...document.querySelectorAll(".entry")];
const size = [svg.width.baseVal.value, svg.height.baseVal.value];
let zoom = 1, at = -1;

function show(row, scroll) {
    document.querySelectorAll(".on").forEach(element => element.classList.remove("on"));
    at = row;
    rows[row].classList.add("on");
    entry[row].classList.add("on");
    detail.innerHTML = entry[row].innerHTML;
    if (scroll)
        [rows[row], entry[row]].forEach(element => element.scrollIntoView({block: "nearest"}));
}

function resize(factor) {
    zoom = factor ? Math.min(8, Math.max(0.25, zoom * factor)) : 1;
    svg.setAttribute("width", size[0] * zoom);
    svg.setAttribute("height", size[1] * zoom);
    document.getElementById("zoom").textContent = Math.round(zoom * 100) + " %%";
}

[rows, entry].forEach(list => list.forEach((element, row) => {
    element.addEventListener("mouseenter", () => {
        show(row, false);
        (list === rows ? entry : rows)[row].scrollIntoView({block: "nearest"});
    });
    element.addEventListener("focus", () => show(row, true));
}));
document.getElementById("in").onclick = () => resize(1.25);
document.getElementById("out").onclick = () => resize(0.8);
document.getElementById("reset").onclick = () => resize(0);
document.getElementById("left").addEventListener("wheel", event => {
    if (!event.ctrlKey)
        return;
    event.preventDefault();
    resize(event.deltaY < 0 ? 1.1 : 1 / 1.1);
}, {passive: false});
document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey)
        return;
    if (event.key === "+")
        resize(1.25);
    else if (event.key === "-")
        resize(0.8);
    else if (event.key === "0")
        resize(0);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp")
        show(Math.min(rows.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1))), true);
    else
        return;
    event.preventDefault();
});
</script>
"""


def main(argv: list[str]) -> int:
    if len(argv) not in (3, 4):
        print("usage: page.py TRACE RELEASE HTML [SOURCE]", file=sys.stderr)
        return 2
    trace, release, out = argv[:3]
    try:
        story = picture.Story(ftrace.read(trace))
        source = Source(release, argv[3] if len(argv) == 4 else None)
        page = PAGE % {"svg": PagePicture(story, release, source).draw(), "entries": "\n".join(entries(story, source))}
        with open(out, "w", encoding="utf-8") as f:
            f.write(page)
    except (OSError, ftrace.TraceError) as e:
        print("page.py: %s" % e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
