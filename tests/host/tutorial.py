# SPDX-License-Identifier: GPL-2.0
"""Do what a tutorial says, and compare what comes with what it shows.

usage: tutorial.py PAGE DIR

A block that is indented by four blanks and begins with `$ ` is a session: commands, which
go on in lines with `> `, and what they print. A block ```LANGUAGE NAME is a file that the reader writes.
All commands run in one shell, which begins in DIR. Numbers, the home directory and blanks may
differ; `...` stands for a part of a line, and for whole lines where it is a line or begins one.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, TOP)

from qemu import ktap  # noqa: E402

FILE = re.compile(r"```\w+ (\S+)")
ANY = "..."


@dataclass
class Item:
    """A file with its lines, or a command with the lines that it shows."""

    is_file: bool
    what: str
    lines: list[str] = field(default_factory=list)


def parse(lines: Iterable[str]) -> Iterator[Item]:
    """The items of a page, in their order."""
    item: Item | None = None
    for line in lines:
        line = line.rstrip("\n")
        if item and item.is_file:
            if line == "```":
                yield item
                item = None
            else:
                item.lines.append(line)
            continue
        match = FILE.fullmatch(line)
        if match or line.startswith("    $ "):
            if item:
                yield item
            item = Item(True, match[1]) if match else Item(False, line[6:])
        elif line.startswith("    > ") and item and not item.lines:
            item.what += "\n" + line[6:]
        elif line.startswith("    ") and item:
            item.lines.append(line[4:])
        elif item:
            yield item
            item = None
    if item:
        yield item


def plain(text: str) -> str:
    """A line without what may differ."""
    text = text.replace(os.environ["HOME"] + "/", "/root/")
    # Two runs of the lab that begin in one second have a number more in the names of their logs.
    text = re.sub(r"(-[0-9]{8}-[0-9]{6})-[0-9]+", r"\1", text)
    return re.sub(r"\s+", " ", re.sub(r"[0-9]+(\.[0-9]+)?", "0", text)).strip()


def fits(shown: str, line: str) -> bool:
    parts = [re.escape(part.strip()) for part in plain(shown).split(ANY)]
    return re.fullmatch(".*".join(parts), plain(line)) is not None


def differs(shown: list[str], got: list[str]) -> str | None:
    """The first line of `shown` that `got` does not have where it should, or None."""
    place, anywhere = 0, False
    for line in shown:
        if line == ANY:
            anywhere = True
            continue
        found = next((n for n in range(place, len(got)) if fits(line, got[n])), None)
        if found is None or (found > place and not anywhere and not line.startswith(ANY)):
            return line
        place, anywhere = found + 1, False
    return None if anywhere or place == len(got) else "the end"


class Shell:
    """Runs one command after the other, with what each leaves behind: its directory, its variables."""

    def __init__(self, directory: str) -> None:
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile"], cwd=directory, text=True, errors="replace",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command: str) -> tuple[int, list[str]]:
        """Returns its status and the lines that it printed."""
        mark = "end of %d" % id(self)
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("{ %s\n} </dev/null\nprintf '\\n%%s %%d\\n' '%s' $?\n" % (command, mark))
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith(mark):
                break
            lines.append(line.rstrip("\n"))
        else:
            return -1, lines
        # The mark follows an empty line, unless the last line had no newline.
        if lines and not lines[-1]:
            lines.pop()
        return int(line.split()[-1]), [line for line in lines if not line.startswith("# accel: ")]

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def directory(self) -> str:
        return self.run("pwd")[1][0]


def main(page: str, directory: str) -> int:
    with open(page, encoding="utf-8") as f:
        items = list(parse(f))
    report = ktap.Printer(sum(not item.is_file for item in items))
    shell = Shell(directory)
    for item in items:
        if item.is_file:
            with open(os.path.join(shell.directory(), item.what), "w", encoding="utf-8") as f:
                f.write("".join(line + "\n" for line in item.lines))
            continue
        name = item.what.partition("\n")[0].replace("#", "\\#")
        status, got = shell.run(item.what)
        wrong = "the command failed: %d" % status if status else differs(item.lines, got)
        report.result(name, ["not as shown: %s" % wrong, *("| " + line for line in got[-30:])] if wrong else [])
    shell.close()
    return report.status if report.number else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
