# SPDX-License-Identifier: GPL-2.0
"""Check the check: change a trace that is in order, and see trace/order.py tell what is wrong.

usage: trace.py COMMAND TRACE

COMMAND is `removed`, to take away the event of each step in turn, or `moved`, to put it before
one that it follows from. Prints the steps that are not told. Or it is `behind`, to have another
request on the list behind that for the thread, which is as good. Prints what is told of that.
"""

import copy
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, TOP)
sys.dont_write_bytecode = True

from trace import ftrace, order  # noqa: E402


def changed(life: ftrace.Life, events: list[ftrace.Event]) -> dict[str, str]:
    """The same life with other events."""
    other = ftrace.Life.__new__(ftrace.Life)
    other.__dict__.update(life.__dict__)
    other.events = events
    return order.match(other)[1]


def main(argv: list[str]) -> None:
    command, path = argv
    life = ftrace.read(path)
    found, wrong = order.match(life)
    if wrong:
        print("the trace itself is not in order")
        return
    if command == "behind":
        taken_off = found["create: kthreadd takes the request off"]
        other = copy.copy(taken_off)
        other.args = {**taken_off.args, "first": "another"}
        for item in changed(life, [other if event is taken_off else event for event in life.events]).items():
            print("%s %s" % item)
        return
    for step in order.STEPS:
        mine = {id(life.events[n]) for n in step.candidates(life, found)}
        others = [event for event in life.events if id(event) not in mine]
        if command == "removed":
            if changed(life, others).get(step.name) != "is missing":
                print("removed, and not told:", step.name)
            continue
        for before in step.after:
            place = next(n for n, event in enumerate(others) if event is found[before])
            events = others[:place] + [found[step.name]] + others[place:]
            if not changed(life, events).get(step.name, "").startswith("comes too early"):
                print("moved before '%s', and not told: %s" % (before, step.name))


main(sys.argv[1:])
