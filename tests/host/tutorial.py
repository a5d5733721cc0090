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

FILE = re.compile(r"```\w+ (\S+)")
ANY = "..."


def parse(lines):
    """Yields ("file", name, text) and ("run", command, the lines that it shows)."""
    item = None
    for line in lines:
        line = line.rstrip("\n")
        if item and item[0] == "file":
            if line == "```":
                yield item[0], item[1], "".join(item[2])
                item = None
            else:
                item[2].append(line + "\n")
            continue
        match = FILE.fullmatch(line)
        if match or line.startswith("    $ "):
            if item:
                yield tuple(item)
            item = ["file", match[1], []] if match else ["run", line[6:], []]
        elif line.startswith("    > ") and item and not item[2]:
            item[1] += "\n" + line[6:]
        elif line.startswith("    ") and item:
            item[2].append(line[4:])
        elif item:
            yield tuple(item)
            item = None
    if item:
        yield tuple(item)


def plain(text):
    """A line without what may differ."""
    text = text.replace(os.environ["HOME"] + "/", "/root/")
    return re.sub(r"\s+", " ", re.sub(r"[0-9]+(\.[0-9]+)?", "0", text)).strip()


def fits(shown, line):
    parts = [re.escape(part.strip()) for part in plain(shown).split(ANY)]
    return re.fullmatch(".*".join(parts), plain(line)) is not None


def differs(shown, got):
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

    def __init__(self, directory):
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile"], cwd=directory, text=True, errors="replace",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command):
        """Returns its status and the lines that it printed."""
        mark = "end of %d" % id(self)
        self.process.stdin.write("{ %s\n} </dev/null\nprintf '\\n%%s %%d\\n' '%s' $?\n" % (command, mark))
        self.process.stdin.flush()
        lines = []
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

    def directory(self):
        return self.run("pwd")[1][0]


def main(page, directory):
    with open(page, encoding="utf-8") as f:
        items = list(parse(f))
    print("KTAP version 1\n1..%d" % sum(kind == "run" for kind, _, _ in items), flush=True)
    shell = Shell(directory)
    number = failed = 0
    for kind, what, shown in items:
        if kind == "file":
            with open(os.path.join(shell.directory(), what), "w", encoding="utf-8") as f:
                f.write(shown)
            continue
        number += 1
        name = what.partition("\n")[0].replace("#", "\\#")
        status, got = shell.run(what)
        wrong = "the command failed: %d" % status if status else differs(shown, got)
        print("%sok %d %s" % ("not " if wrong else "", number, name))
        if wrong:
            failed += 1
            print("# not as shown: %s" % wrong)
            for line in got[-30:]:
                print("# | %s" % line)
        sys.stdout.flush()
    shell.process.stdin.close()
    shell.process.wait()
    return 1 if failed or not number else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
