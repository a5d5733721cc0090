#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the commands of README.md and docs/ as they are written there, in a clone of what is committed here.

usage: documented.py

Part of `make test-all`. Prints KTAP: a result for each command, and one for those that are not
in the lists below, or no longer in the pages. What a page leaves to its reader has stand-ins:
/path/to/module is ../mine, and so on. docs/tutorial.md has a test of its own.
"""

import glob
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, TOP)

from qemu import ktap  # noqa: E402

COMMAND = re.compile(r"^    ((?:make|git|scripts/|bench/|upstream/|tools/|apt-get|dkms)\b.*)$")
PATIENCE = 1800  # seconds

# It loads the module where there is one, for what tells which of its lines ran.
SCRIPT = "#!/bin/sh\nmkdir -p /out && echo it ran >/out/note\n! modprobe mine || rmmod mine\n"
# What a page means by "a commit that is good", and one that is not.
HISTORY = """git init -q . && git config user.name t && git config user.email t@example.org && git add -A &&
git commit -qm good && git commit -qm good --allow-empty && echo 'exit 1' >test.sh && git commit -qam bad &&
git bisect start HEAD HEAD~2 >/dev/null"""

# In this order: page, command, where it is run ("lab" or "mine"), and for what needs a terminal the text after
# which its user leaves. BEFORE has what prepares it.
RUN = (
    ("README.md", "make new-module NAME=mine", "lab", None),
    ("README.md", "make vm SCRIPT=my-test.sh", "lab", None),
    ("README.md", "make vm SCRIPT=my-test.sh SMP=4 MEM=1024", "lab", None),
    ("README.md", "make gdb", "lab", b"on port"),
    ("README.md", "make coverage MODULE=../mine", "lab", None),
    ("README.md", "make KDIR=/path/to/build", "lab", None),
    ("docs/lab.md", "make vm MODULE=/path/to/module SCRIPT=my-test.sh", "lab", None),
    ("docs/lab.md", "make shell MODULE=/path/to/module", "lab", b"leaves"),
    ("docs/lab.md", "make gdb MODULE=/path/to/module", "lab", b"on port"),
    ("docs/lab.md", "make coverage MODULE=/path/to/module SCRIPT=my-test.sh", "lab", None),
    ("docs/lab.md", "make rust-analyzer MODULE=/path/to/module", "lab", None),
    ("docs/lab.md", "make vm COMMAND='modprobe mine && cat /proc/modules && rmmod mine' MODULE=../mine", "lab", None),
    ("docs/lab.md", "make vm SCRIPT=my-test.sh SMP=4 MEM=1G LIMIT=1200", "lab", None),
    ("docs/lab.md", "make vm SCRIPT=my-test.sh OUT=results", "lab", None),
    ("docs/lab.md", "make shell SHARE=../data", "lab", b"leaves"),
    ("docs/lab.md", "make vm KERNEL=debug BOOT='kmemleak=on slub_debug=FZ' SCRIPT=my-test.sh", "lab", None),
    ("docs/lab.md", "make new-module NAME=mine DIR=..", "lab", None),
    ("docs/lab.md", "make test", "mine", None),
    ("docs/lab.md", "make test KERNEL=debug", "mine", None),
    ("docs/lab.md", "make vm SCRIPT=other.sh", "mine", None),
    ("docs/lab.md", "make shell", "mine", b"leaves"),
    ("docs/lab.md", "make gdb", "mine", b"on port"),
    ("docs/lab.md", "make coverage", "mine", None),
    ("docs/lab.md", "make rust-analyzer", "mine", None),
    ("docs/lab.md", "make KDIR=/path/to/build", "mine", None),
    ("docs/lab.md", "git bisect run /path/to/lab/scripts/vm.sh --module . --script test.sh", "mine", None),
    ("docs/lab.md", "make clean", "mine", None),
)
BEFORE = {
    ("docs/lab.md", "make new-module NAME=mine DIR=.."): "rm -r ../mine",
    ("docs/lab.md", "git bisect run /path/to/lab/scripts/vm.sh --module . --script test.sh"): HISTORY,
}
STAND_INS = (("/path/to/module", "../mine"), ("/path/to/build", "../lab/build/fast/kernel"), ("/path/to/lab", "../lab"))

# Those that take longer, change the machine, or have a test that runs them anyway.
ELSEWHERE = {
    "README.md": {
        "make demo": "make test-distro", "make test": "make test-all", "make bench": "tests/bench.sh, by its parts",
    },
    "bench/README.md": {
        "make bench": "tests/bench.sh, by its parts", "make bench SEED=2": "the same",
        "bench/report.py": "make bench", "bench/compare.py A B": "nothing: it needs two runs of make bench",
        "bench/baseline.py": "tests/host/bench.sh", "bench/baseline.py --write": "nothing: it changes the checkout",
    },
    "docs/lab.md": {
        "make demo ARCH=arm64": "tests/host/arch.sh, by its parts",
        "make test ARCH=arm64 KERNEL=debug": "make test-all",
        "make vm ARCH=arm64 SCRIPT=my-test.sh MODULE=../mine": "tests/host/arch.sh, by its parts",
        "scripts/vm.sh --kernel debug@arm64 --script my-test.sh": "the same",
        "make test-distro SUITE=trixie": "make test-all", "make test-distro SUITE=trixie WITH='user german'": "nothing",
        "make upstream BUG=kthread-delayed-work": "make test-all, as make upstream",
        "upstream/patched-tree.sh TREE DIR": "tests/host/upstream.sh",
    },
    "docs/proofs.md": {"make proofs": "tests/host/proofs.sh", "make model": "tests/host/model.sh, with fewer of them"},
    "docs/stock.md": {command: "make test-distro WITH=stock" for command in (
        "make metadata KDIR=/lib/modules/$(uname -r)/build", "make KDIR=/lib/modules/$(uname -r)/build",
        "make modules_install KDIR=/lib/modules/$(uname -r)/build", "make demo KERNEL=debian",
        "apt-get install -t trixie-backports linux-image-amd64 linux-headers-amd64", "apt-get install dkms",
        "dkms add .", "dkms install rust_kthread_demo/0.1", "make test-distro SUITE=trixie WITH=stock")},
    "docs/upstream.md": {
        "make patches": "make check-patches", "make kunit": "make test-all", "make check-patches": "make test-all",
        "make build-matrix": "make test-all", "git am --empty=drop build/patches/*.patch": "nothing: by hand",
        "tools/testing/kunit/kunit.py run --kunitconfig rust/kernel/kthread \\": "make kunit, as one line",
    },
    "upstream/README.md": {"make upstream": "make test-all", "make upstream BUG=NAME": "make test-all, as make upstream"},
}


def documented() -> set[tuple[str, str]]:
    """(page, command) for each command line in the pages, without what explains it."""
    found = set()
    for pattern in ("*.md", "docs/*.md", "*/README.md"):
        for path in glob.glob(os.path.join(TOP, pattern)):
            page = os.path.relpath(path, TOP)
            if page == "docs/tutorial.md":
                continue
            with open(path, encoding="utf-8") as f:
                for line in f:
                    command = COMMAND.match(line)
                    if command:
                        found.add((page, re.sub(r"\s{2,}#.*", "", command[1]).strip()))
    return found


def at_terminal(command: str, where: str, text: bytes) -> tuple[int, str]:
    """Types Ctrl-A X once the command has said this. Its exit status and what it said."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(where)
        os.execv("/bin/sh", ["sh", "-c", command])
    said = b""
    typed = False
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            if not data:
                break
            said += data
        if not typed and text in said:
            os.write(fd, b"\x01x")
            typed = True
    os.close(fd)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if typed else 1, said.decode(errors="replace")


def run(command: str, where: str, text: bytes | None) -> tuple[int, str]:
    for name, stand_in in STAND_INS:
        command = command.replace(name, stand_in)
    if text is not None:
        return at_terminal(command, where, text)
    done = subprocess.run(["sh", "-c", command], cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=PATIENCE)
    return done.returncode, done.stdout


def main() -> int:
    known = {(page, command) for page, command, _, _ in RUN}
    known |= {(page, command) for page, commands in ELSEWHERE.items() for command in commands}
    pages = documented()
    out = ktap.Printer(len(RUN) + 1)
    out.result("each command is in a list here, and each of these in a page",
               ["%s: %s" % item for item in sorted(pages ^ known)])
    with tempfile.TemporaryDirectory(prefix="kdemo-documented-") as place:
        places = {name: os.path.join(place, name) for name in ("lab", "mine")}
        subprocess.run(["git", "clone", "-q", TOP, places["lab"]], check=True)
        os.mkdir(os.path.join(place, "data"))
        with open(os.path.join(places["lab"], "my-test.sh"), "w") as f:
            f.write(SCRIPT)
        for page, command, name, text in RUN:
            if name == "mine":
                with open(os.path.join(places["mine"], "other.sh"), "w") as f:
                    f.write(SCRIPT)
            before = BEFORE.get((page, command))
            status, said = run(before, places[name], None) if before else (0, "")
            if status == 0:
                status, said = run(command, places[name], text)
            out.result("%s: %s" % (page, command), [] if status == 0 else ["status %d" % status, *said.splitlines()[-20:]])
    return out.status


if __name__ == "__main__":
    sys.exit(main())
