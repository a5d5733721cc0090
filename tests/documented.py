#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the commands of README.md and docs/ as they are written there, in a clone of what is committed here.

usage: documented.py [GLOB...]

With GLOBs only the commands that match one are run. Part of `make test-all`. Prints KTAP: a result for each command, and one for those that are not
in the lists below, or no longer in the pages. What a page leaves to its reader has stand-ins:
/path/to/module is ../mine, and so on. docs/tutorial.md has a test of its own.

A command is run in the clone ("lab"), in a module of one's own ("mine"), or in a repository of
the kernel in use ("tree").
"""

import fnmatch
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
# Debian's tree ignores all of its files.
REPOSITORY = """cp -R "$(../lab/scripts/kernel-source.sh)/." . && chmod -R u+w . && git init -q . &&
git config user.name t && git config user.email t@example.org && git add -Af . && git commit -qm tree"""
HISTORY = """git init -q . && git config user.name t && git config user.email t@example.org && git add -A &&
git commit -qm good && git commit -qm good --allow-empty && echo 'exit 1' >test.sh && git commit -qam bad &&
git bisect start HEAD HEAD~2 >/dev/null"""

# In this order: page, command, where it is run, and for what needs a terminal the text after which its user
# leaves. BEFORE has what prepares it.
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
    ("docs/lab.md", "make demo ARCH=arm64", "lab", None),
    ("docs/lab.md", "make vm ARCH=arm64 SCRIPT=my-test.sh MODULE=../mine", "lab", None),
    ("docs/lab.md", "scripts/vm.sh --kernel fast@arm64 --script my-test.sh", "lab", None),
    ("docs/lab.md", "make upstream BUG=kthread-delayed-work", "lab", None),
    ("docs/lab.md", "upstream/patched-tree.sh TREE DIR", "lab", None),
    ("docs/proofs.md", "make proofs", "lab", None),
    ("docs/proofs.md", "make model", "lab", None),
    ("docs/proofs.md", "make mutants SAMPLE=20 SEED=7", "lab", None),
    ("docs/proofs.md", "make mutants MUTANT='kthread/worker/gate.rs *'", "lab", None),
    ("bench/README.md", "make bench SEED=2", "lab", None),
    ("bench/README.md", "make bench", "lab", None),
    ("bench/README.md", "bench/report.py", "lab", None),
    ("bench/README.md", "bench/baseline.py", "lab", None),
    ("bench/README.md", "bench/baseline.py --write", "lab", None),
    ("bench/README.md", "bench/compare.py A B", "lab", None),
    ("docs/upstream.md", "make patches", "lab", None),
    ("docs/upstream.md", "git am --empty=drop build/patches/*.patch", "tree", None),
    ("docs/upstream.md", "tools/testing/kunit/kunit.py run --kunitconfig rust/kernel/kthread "
     "--kernel_args seccomp=on --kernel_args ncpus=2 'rust_kthread*'", "tree", None),
)
BEFORE = {
    ("docs/lab.md", "make new-module NAME=mine DIR=.."): "rm -r ../mine",
    ("bench/README.md", "bench/compare.py A B"):
        "cp build/bench/results.json A && make bench && cp build/bench/results.json B",
    ("docs/upstream.md", "git am --empty=drop build/patches/*.patch"): REPOSITORY,
    ("docs/lab.md", "git bisect run /path/to/lab/scripts/vm.sh --module . --script test.sh"): HISTORY,
}
STAND_INS = (
    ("/path/to/module", "../mine"), ("/path/to/build", "../lab/build/fast/kernel"), ("/path/to/lab", "../lab"),
    (" TREE DIR", ' "$(scripts/kernel-source.sh)" ../patched'), ("am --empty=drop build/", "am --empty=drop ../lab/build/"))

# Those that make test-all runs as they are written, itself or in a bare Debian.
ELSEWHERE = {
    "README.md": {
        "make demo": "make test-distro", "make test": "make test-all", "make bench": "as in bench/README.md",
    },
    "docs/lab.md": {
        "make test ARCH=arm64 KERNEL=debug": "make test-all", "make test-distro SUITE=trixie": "make test-all",
        "make test-distro SUITE=trixie WITH='user german'": "make test-all",
        "make test-distro SUITE=trixie ARCH=arm64": "make test-all",
    },
    "docs/proofs.md": {"make mutants SAMPLE=20": "make test-all"},
    "docs/stock.md": {
        **{command: "make test-distro WITH=stock" for command in (
            "make metadata KDIR=/lib/modules/$(uname -r)/build", "make KDIR=/lib/modules/$(uname -r)/build",
            "make modules_install KDIR=/lib/modules/$(uname -r)/build", "make demo KERNEL=debian",
            "apt-get install -t trixie-backports linux-image-amd64 linux-headers-amd64", "apt-get install dkms",
            "dkms add .", "dkms install rust_kthread_demo/0.1")},
        "make test-distro SUITE=trixie WITH=stock": "make test-all",
    },
    "docs/upstream.md": {
        "make kunit": "make test-all", "make check-patches": "make test-all", "make build-matrix": "make test-all",
    },
    "upstream/README.md": {
        "make upstream": "make test-all", "make upstream BUG=NAME": "as in docs/lab.md, for one NAME",
    },
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
                lines = re.sub(r" *\\\n *", " ", f.read()).splitlines()
            for line in lines:
                command = COMMAND.match(line)
                if command:
                    found.add((page, re.sub(r"\s{2,}#.*", "", command[1]).strip()))
    return found


def tools(lab: str, place: str) -> dict[str, str]:
    """Environment in which the lab's compilers come first, as the kernel's own make takes those on PATH."""
    done = subprocess.run([os.path.join(lab, "scripts", "toolchain.sh"), "gcc"], stdout=subprocess.PIPE, text=True, check=True)
    chosen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    os.mkdir(place)
    for name in ("RUSTC", "RUSTDOC", "BINDGEN"):
        path = os.path.join(place, name.lower())
        with open(path, "w") as f:
            f.write('#!/bin/sh\nexec %s "$@"\n' % chosen[name])
        os.chmod(path, 0o755)
    return {"PATH": place + ":" + os.environ["PATH"], "LIBCLANG_PATH": chosen["LIBCLANG_PATH"]}


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


def run(command: str, where: str, text: bytes | None, settings: dict[str, str]) -> tuple[int, str]:
    for name, stand_in in STAND_INS:
        command = command.replace(name, stand_in)
    if text is not None:
        return at_terminal(command, where, text)
    done = subprocess.run(["sh", "-c", command], cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=PATIENCE,
                          env={**os.environ, **settings})
    return done.returncode, done.stdout


def main() -> int:
    known = {(page, command) for page, command, _, _ in RUN}
    known |= {(page, command) for page, commands in ELSEWHERE.items() for command in commands}
    pages = documented()
    jobs = [job for job in RUN if any(fnmatch.fnmatchcase(job[1], wish) for wish in sys.argv[1:] or "*")]
    out = ktap.Printer(len(jobs) + 1)
    out.result("each command is in a list here, and each of these in a page",
               ["%s: %s" % item for item in sorted(pages ^ known)])
    with tempfile.TemporaryDirectory(prefix="kdemo-documented-") as place:
        places = {name: os.path.join(place, name) for name in ("lab", "mine", "tree")}
        subprocess.run(["git", "clone", "-q", TOP, places["lab"]], check=True)
        os.mkdir(os.path.join(place, "data"))
        os.mkdir(places["tree"])
        of_kernel = tools(places["lab"], os.path.join(place, "bin"))
        with open(os.path.join(places["lab"], "my-test.sh"), "w") as f:
            f.write(SCRIPT)
        for page, command, name, text in jobs:
            if name == "mine":
                with open(os.path.join(places["mine"], "other.sh"), "w") as f:
                    f.write(SCRIPT)
            settings = of_kernel if name == "tree" else {}
            before = BEFORE.get((page, command))
            status, said = run(before, places[name], None, settings) if before else (0, "")
            if status == 0:
                status, said = run(command, places[name], text, settings)
            out.result("%s: %s" % (page, command), [] if status == 0 else ["status %d" % status, *said.splitlines()[-20:]])
    return out.status


if __name__ == "__main__":
    sys.exit(main())
