#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make tables of the results of tests/programs/compare.c, for a terminal and in Markdown.

usage: table.py CELLS TEXT MARKDOWN
"""

import sys
from collections.abc import Iterator

# Pairs of a key and the heading of its column.
Keys = tuple[tuple[str, str], ...]

BLOCKS: tuple[tuple[str, str, Keys], ...] = (
    ("Identity", "pid is the result of gettid(), tgid that of getpid(). ps -T also shows threads.",
     (("pid", "pid"), ("tgid", "tgid"), ("ppid", "ppid"), ("parent", "parent"), ("ps", "in ps"))),
    ("What it shares with the caller", "Own: the caller does not see the task's changes.",
     (("memory", "memory"), ("files", "open files"), ("cwd", "directory"), ("handlers", "signal handlers"),
      ("nice", "nice value"))),
    ("How it ends", "SIGTERM is not handled; the kernel thread also gets SIGKILL. Reaped by: the task whose wait() reports the end.",
     (("SIGTERM", "SIGTERM"), ("reaper", "reaped by"))),
)


class Cells:
    """The results, by way and key."""

    def __init__(self, path: str) -> None:
        self.release: str | None = None
        self.ways: dict[str, dict[str, str]] = {}
        with open(path, encoding="utf-8") as f:
            for line in f:
                fields = line.rstrip("\n").split("\t")
                if fields[0] == "release" and len(fields) == 2:
                    self.release = fields[1]
                elif len(fields) == 3:
                    self.ways.setdefault(fields[0], {})[fields[1]] = fields[2]
                else:
                    raise ValueError("this is not a cell of the table: %s" % line.strip())

    def rows(self, keys: Keys) -> Iterator[list[str]]:
        """The rows of a block. The caller only has one if it has values."""
        for way, found in self.ways.items():
            if way == "the caller" and not any(key in found for key, _ in keys):
                continue
            missing = [key for key, _ in keys if key not in found]
            if missing and way != "the caller":
                raise ValueError("'%s' of %s is missing" % (missing[0], way))
            yield [way] + [found.get(key, "") for key, _ in keys]


def as_text(cells: Cells) -> str:
    out = ["Tasks made in different ways, on Linux %s" % cells.release]
    for title, note, keys in BLOCKS:
        rows = [[""] + [name for _, name in keys]] + list(cells.rows(keys))
        for row in rows:
            row[0] = row[0].replace("CLONE_", "")
        widths = [max(map(len, column)) for column in zip(*rows)]
        out += ["", "%s. %s" % (title, note), ""]
        for number, row in enumerate(rows):
            out.append("  " + "  ".join(map(str.ljust, row, widths)).rstrip())
            if number == 0:
                out.append("  " + "  ".join("-" * width for width in widths))
    return "\n".join(out) + "\n"


def as_markdown(cells: Cells) -> str:
    out = ["# Processes, threads and kernel threads side by side", "",
           "Made by `make compare` on Linux %s: a program creates a task in each of these ways, and finds out what" %
           cells.release, "the task shares with its caller by changes that the task makes. Nothing is taken from manuals; "
           "`tests/compare.sh`", "compares the results with them."]
    for title, note, keys in BLOCKS:
        out += ["", "## " + title, "", note, "", "| | " + " | ".join(name for _, name in keys) + " |",
                "|---" * (len(keys) + 1) + "|"]
        for way, *values in cells.rows(keys):
            name = "`%s`" % way.replace("|", "\\|") if "(" in way else way
            values = ["`%s`" % value if key == "ps" else value for (key, _), value in zip(keys, values)]
            out.append("| " + " | ".join([name] + values) + " |")
    return "\n".join(out) + "\n"


def main(argv: list[str]) -> int:
    if len(argv) != 3:
        print("usage: table.py CELLS TEXT MARKDOWN", file=sys.stderr)
        return 2
    try:
        cells = Cells(argv[0])
        for path, text in ((argv[1], as_text(cells)), (argv[2], as_markdown(cells))):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
    except (OSError, ValueError) as e:
        print("table.py: %s" % e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
