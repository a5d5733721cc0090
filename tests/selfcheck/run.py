#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The self-check of the harness: guests and logs that it has to fail, each for the right reason.

usage: run.py [GLOB]    ($KERNEL names the kernel, default fast; $RUN_DIR takes the logs)

Parts: units.py checks the parsers on canned logs; guests/*.sh are tests that are
wrong in some way, which their header declares in a line for each failure that
the harness must find:
    # selfcheck: KIND REGEX     KIND as in qemu/verdict.py; hold and skip are none; KIND? may come or not
    # selfcheck-decoded: REGEX  what is told of the complaint must have such a line
    # selfcheck-boot: own       it breaks its guest
    # selfcheck-smp: CPUS       it needs more than one
    # selfcheck-config: OPTION  it is about what this option of the kernel finds
and the guests below are wrong before any test could run.

What is not about an option has the same answer on every kernel, and is asked on
the fast one alone.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fnmatch
import functools
import glob
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
VM = os.path.join(TOP, "qemu", "vm.py")
sys.path[:0] = [TOP, HERE]

import units  # noqa: E402
from qemu import accel, decode, guest, initramfs, ktap, lab, machine, suite, verdict  # noqa: E402

MEM = 256
GRACE = {"dead": 1.5}  # what is known to be dead needs no patience
SETTLE = 1
PATIENCE = 15.0  # far above every limit that is set here, far below the default ones
DECLARED = re.compile(r"^# selfcheck: ([a-z-]+\??) ?(.*)$", re.M)
NEEDS = re.compile(r"^# selfcheck-config: (CONFIG_\w+)$", re.M)
CPUS = re.compile(r"^# selfcheck-smp: ([0-9]+)$", re.M)
DECODED = re.compile(r"^# selfcheck-decoded: (.+)$", re.M)
OWN_BOOT = re.compile(r"^# selfcheck-boot: own$", re.M)


# Pairs of a kind of failure, as in qemu/verdict.py, and a pattern of what it says.
Expected = list[tuple[str, str]]
# Pairs of a check's name and what is wrong, or None.
Wrong = list[tuple[str, str | None]]
# What a job checks, by name, and the job.
Job = tuple[list[str], Callable[[], Wrong]]


class Case(suite.Test):
    """A guest test that is wrong, and what its header declares."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        with open(path) as f:
            text = f.read()
        self.expected: Expected = DECLARED.findall(text)
        self.decoded: list[str] = DECODED.findall(text)
        self.own_boot = bool(OWN_BOOT.search(text))
        self.cpus = max([1, *map(int, CPUS.findall(text))])
        self.needs: list[str] = NEEDS.findall(text)
        kinds = {kind.rstrip("?") for kind, _ in self.expected}
        if not kinds or kinds - set(verdict.CODES) - {"hold", "skip"}:
            raise SystemExit("%s declares no 'selfcheck: KIND REGEX'" % path)

    def lacks(self, kernel: lab.Kernel) -> list[str]:
        """The options that it needs and the kernel lacks."""
        return [option for option in self.needs if "\n%s=y\n" % option not in kernel.config]


class Capture:
    """A report that keeps the results instead of printing them."""

    def __init__(self) -> None:
        self.results: dict[str, list[tuple[list[verdict.Failure], ktap.Result | None]]] = {}

    def nested(self, line: str) -> None:
        pass

    def result(self, name: str, failures: list[verdict.Failure], result: ktap.Result | None,
               seconds: float | None = None) -> None:
        self.results.setdefault(name, []).append((failures, result))


def compare(expected: Expected, failures: list[verdict.Failure], result: ktap.Result | None) -> str | None:
    """The difference of these failures from the declared pairs (kind, regex), or None."""
    found = ["%s: %s" % (f.kind, f.text) for f in failures]
    kinds = {kind.rstrip("?") for kind, _ in expected}
    if kinds == {"hold"}:
        if failures or result is None or not result.ok or result.skipped:
            return "expected it to hold, got %s" % (found or result)
        return None
    if kinds == {"skip"}:
        if failures or result is None or not result.skipped or not re.search(expected[0][1], result.reason or ""):
            return "expected a skip, got %s" % (found or (result and result.reason))
        return None
    for kind, pattern in expected:
        if kind.endswith("?"):
            continue
        if not any(f.kind == kind and re.search(pattern, f.text) for f in failures):
            return "expected %s with '%s', got %s" % (kind, pattern, found)
    extra = {f.kind for f in failures} - kinds
    if extra:
        return "besides what was expected: %s" % [f for f in found if f.split(":")[0] in extra]
    # The run as a whole must end with the code of one of the declared kinds.
    code = verdict.exit_code(failures)
    if code not in {verdict.CODES[kind] for kind in kinds}:
        return "exit code %d" % code
    return None


class Script(NamedTuple):
    """A script for `make vm`, and how that has to end."""

    name: str
    text: str
    status: int | tuple[int, ...]
    pattern: str  # matches its whole output
    shell: str = 'exec "$@"'


class Checks:
    def __init__(self, kernel: lab.Kernel, choice: machine.Accel, out_dir: str) -> None:
        self.kernel = kernel
        self.choice = choice
        self.out_dir = out_dir
        self.modules = kernel.modules("selfcheck")
        self.mem = MEM * kernel.mem // 512

    def path(self, name: str) -> str:
        path = os.path.join(self.out_dir, name)
        os.makedirs(path, exist_ok=True)
        return path

    def request(self, smp: int, **changes: Any) -> guest.Request:
        """A guest of the self-check, of so many CPUs, changed so."""
        return guest.Request(self.kernel, self.choice, smp=smp, mem=self.mem, **changes)

    def tests(self, names: str, tests: Sequence[Case], cls: type[suite.TestGuest] = suite.TestGuest) -> Wrong:
        """Boot with these test programs; yields (name, what is wrong or None)."""
        report = Capture()
        path = self.path(names)
        request = self.request(max(test.cpus for test in tests), limit=120.0 * self.kernel.factor,
                               grace=GRACE.get(names, guest.GRACE))
        vm = suite.run_boot(request, path, tests, report, self.modules, SETTLE, cls)
        found = vm.failures + [f for f in vm.blamed() if f not in vm.failures]
        wrong: Wrong = []
        for test in tests:
            results = report.results.get(test.name, [])
            if len(results) > 1:
                wrong.append((test.name, "judged %d times" % len(results)))
                continue
            failures, result = results[0] if results else ([], None)
            failures = failures + [f for f in found if f.test == test.name and f not in failures]
            if not results and not failures:
                wrong.append((test.name, "neither a result nor a failure of the guest: %s" % vm.failures))
                continue
            wrong.append((test.name, compare(test.expected, failures, result) or self.undecoded(test, failures)))
        stray = [f for f in vm.failures if f.test is None]
        if len(tests) > 1:
            wrong.append(("together", "failures that no test is to blame for: %s" % stray if stray else None))
        elif stray and wrong[0][1] is None:
            wrong[0] = (wrong[0][0], "failures that no test is to blame for: %s" % stray)
        return wrong

    def undecoded(self, test: Case, failures: list[verdict.Failure]) -> str | None:
        """The lines missing from the output about these failures, or None."""
        if not test.decoded:
            return None
        decoder = decode.Decoder(self.kernel, os.path.join(self.path(test.name), "splats.txt"), self.modules)
        lines = [line for f in failures if f.splat for line in decoder.tell(f.splat, test.name)]
        for pattern in test.decoded:
            if not any(re.search(pattern, line) for line in lines):
                return "expected '%s' in:\n%s" % (pattern, "\n".join(lines))
        return None

    def flood(self, test: Case) -> Wrong:
        """A test that fills the kernel log, all of which must be in the console's."""
        (name, wrong), = self.tests("flood", [test], SleepyGuest)
        with open(os.path.join(self.path("flood"), "console.log"), errors="replace") as f:
            found = re.findall(r"line ([0-9]+): ([0-9 ]+)$", f.read(), re.M)
        words = " ".join(str(n) for n in range(1, 151))
        if not wrong and found != [(str(n), words) for n in range(150)]:
            wrong = "of 150 lines %d are whole and in order" % sum(w == words for _, w in found)
        return [(name, wrong)]

    def bare(self, name: str, expected: Expected, mode: str, cls: type[guest.Guest] = guest.Guest,
             **changes: Any) -> Wrong:
        """Boot a guest that is wrong by itself, in what it is to be changed so."""
        path = self.path(name)
        initrd = os.path.join(path, "initrd")
        initramfs.write(initrd, self.kernel, "mode=%s\nfactor=1\n" % mode, tests=False)
        request = self.request(1, **{"limit": 60.0 * self.kernel.factor, **changes})
        vm = cls(request, path, initrd, ["status", "ktap"])
        start = time.monotonic()
        failures = vm.run()
        wrong = compare(expected, failures, None)
        if not wrong and time.monotonic() - start > PATIENCE * self.kernel.factor:
            wrong = "found, but not in time"
        return [(name, wrong)]

    def script_command(self, name: str, text: str, *options: str) -> list[str]:
        """The command that runs a script as a user would, with the broken modules at hand."""
        path = os.path.join(self.path(name), "script")
        with open(path, "w") as f:
            f.write(text)
        module = self.path(name + "/mine/build")
        with contextlib.suppress(FileExistsError):
            os.symlink(os.path.join(self.kernel.dir, "selfcheck"), os.path.join(module, self.kernel.name))
        return [sys.executable, VM, "--kernel", self.kernel.name, "--smp", "1",
                "--mem", str(self.mem), "--module", os.path.dirname(module), "--script", path, *options]

    def script(self, case: Script) -> Wrong:
        """Run vm.py --script from a shell command."""
        run = subprocess.run(["sh", "-c", case.shell, "sh", *self.script_command(case.name, case.text)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "QEMU_ACCEL": self.choice.kind})
        text = run.stdout + run.stderr
        if run.returncode not in (case.status if isinstance(case.status, tuple) else (case.status,)):
            return [(case.name, "exit status %d, expected %s: %s" % (run.returncode, case.status, text))]
        if not re.search(case.pattern, text):
            return [(case.name, "expected '%s', got: %s" % (case.pattern, text))]
        return [(case.name, None)]

    def reader(self, name: str) -> Wrong:
        """The reader of the output pauses for longer than the guest's limit, and still gets everything."""
        limit = 15
        last = 300000
        process = subprocess.Popen(self.script_command(name, "seq %d" % last, "--limit", str(limit)),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   bufsize=0, env={**os.environ, "QEMU_ACCEL": self.choice.kind})
        assert process.stdout
        first = process.stdout.read(2)
        time.sleep(limit + 2)
        rest, said = process.communicate()
        if process.returncode or first + rest != b"".join(b"%d\n" % n for n in range(1, last + 1)):
            return [(name, "status %d, %d lines: %s" % (process.returncode, rest.count(b"\n"), said.decode()))]
        return [(name, None)]


class SleepyGuest(suite.TestGuest):
    """The host does not read for a while, as on a busy machine."""

    def on_console(self, line: str) -> None:
        super().on_console(line)
        if " line 9: " in line:
            time.sleep(1)


class KilledGuest(guest.Guest):
    """QEMU is killed from outside as soon as the guest prints anything."""

    def on_console(self, line: str) -> None:
        self.process.kill()


def qemu_missing(checks: Checks) -> Wrong:
    """Without QEMU there is one clear line."""
    run = subprocess.run([sys.executable, VM, "--kernel", checks.kernel.name,
                          "--script", os.devnull], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env={**os.environ, "PATH": HERE, "QEMU_ACCEL": "tcg"})
    lines = (run.stdout + run.stderr).splitlines()
    lines = [line for line in lines if not line.startswith("# accel:")]
    good = run.returncode == verdict.CODES["setup"] and len(lines) == 1 and re.search(r"qemu\S* is not installed", lines[0])
    return [("qemu-missing", None if good else "status %d: %s" % (run.returncode, lines))]


KTAP = "echo KTAP version 1; echo 1..2; echo ok 1 one; echo %s 2 two; "

SCRIPTS = [
    Script("script-status", "echo out; echo err >&2; exit 42", 42,
           r"(?s)out\n.*err\n.*the script exited with 42; logs are in"),
    Script("script-lost", "echo 3 >/proc/sys/kernel/panic_on_oops\n"
           "port=$(grep -lx exit /sys/class/virtio-ports/*/name)\n"
           "echo 16q >/dev/$(basename ${port%/name})", 109, "never said that it was through"),
    Script("script-panic", "echo c >/proc/sysrq-trigger", 103,
           r"(?s)sysrq_handle_crash.*to repeat it: make vm KERNEL=fast\S* SCRIPT="
           r"\S+/script MODULE=\S+ SMP=1 MEM=[0-9]+\n.*the kernel panicked"),
    Script("script-true", "true", 0, "the script exited with 0; logs"),
    Script("script-no-tap", "echo ok; echo ok 3 files; echo '1.'", 0, "the script exited with 0; logs"),
    Script("script-ktap", KTAP % "ok", 0, "the script exited with 0; logs"),
    Script("script-125", "exit 125", 125, "the script exited with 125; logs"),
    Script("script-255", "exit 255", 255, "the script exited with 255; logs"),
    Script("script-killed", "kill -SEGV $$", 139, "the script exited with 139; logs"),
    Script("script-not-found", "bash -c true", 127, r"exited with 127 \(a command was not found: the guest has those of busybox"),
    Script("script-lies", KTAP % "not ok" + "exit 0", 1, r"exited with 0, but failed: two \(status 1: test\)"),
    Script("script-lies-on-stderr", "exec >&2; " + KTAP % "not ok", 1, r"exited with 0, but failed: two \(status 1: test\)"),
    Script("script-lies-by-skip", KTAP % "not ok" + "exit 4", 4, "(?s)also: it exited with 4, but failed: two\n.*exited with 4;"),
    Script("script-truncated", "echo 1..5; echo not ok 1 bad", 111, "(?s)planned were 5.*also: it exited with 0, but failed: bad.*exited with 0, but bad KTAP"),
    Script("script-bails", "echo Bail out! enough", 111, "it bailed out: enough"),
    Script("script-mutes", "dmesg -n 1", 112, "counters changed: console_loglevel 7 -> 1"),
    Script("script-mutes-warn", "dmesg -n 1; modprobe broken_warn; rmmod broken_warn; dmesg -n 7", 113,
     "the kernel complained: WARNING: .*broken_warn"),
    # Whether its last marker is missing, too, depends on how far the console has come by then.
    Script("script-mutes-all", "dmesg -n 1; echo N >/sys/module/printk/parameters/ignore_loglevel", (112, 118),
     "ignore_loglevel Y -> N"),
    Script("script-taint", "modprobe broken_taint; rmmod broken_taint", 112, "counters changed: tainted 0 -> 64"),
    Script("script-warn-declared", "# ksft-expect-splat: WARNING: .*broken_warn\nmodprobe broken_warn; rmmod broken_warn", 0,
     "the script exited with 0; logs"),
    Script("script-warn-and-status", "modprobe broken_warn; rmmod broken_warn; exit 9", 9,
     "(?s)also: the kernel complained: .*exited with 9;"),
    Script("script-module", "modprobe rust_kthread_demo workers=0", 114, "left behind: module:rust_kthread_demo"),
    Script("script-process", "sleep 1000 &", 114, "left behind: process:sleep"),
    Script("script-escaped", "setsid sleep 1000 >/dev/null 2>&1 &\nwhile ! pidof sleep; do usleep 10000; done", 114,
     "left behind: process:sleep"),
    Script("script-orphan-ends", "usleep 300000 &", 0, "the script exited with 0; logs"),
    Script("script-bash", "#!/bin/bash\ntrue", 125, "begins with '#!/bin/bash', which the guest does not have.* write '#!/bin/sh'"),
    Script("script-env-bash", "#!/usr/bin/env bash\ntrue", 125, "'#!/usr/bin/env bash', which the guest does not have"),
    Script("script-crlf", "#!/bin/sh\r\ntrue\r\n", 125, r"'#!/bin/sh\\x0d', which the guest does not have"),
    Script("script-awk", "#!/bin/awk -f\nBEGIN { exit 7 }", 7, "the script exited with 7"),
    Script("script-bad-header", "# ksft-timeout: soon", 125, "'ksft-timeout: soon' is no number of seconds"),
    Script("script-gone", "true", 125, "failed to read the script gone: No such file", 'exec "$@" --script gone'),
    Script("script-full", "echo some", 119, "exited with 0, but not all could be written .standard output: No space left",
     'exec "$@" >/dev/full'),
    Script("script-full-42", "echo some; exit 42", 42, "(?s)also: not all could be written .*exited with 42", 'exec "$@" >/dev/full'),
    Script("script-closed", "echo some", 119, "standard output: Bad file descriptor", 'exec "$@" >&-'),
    Script("script-closed-silent", "true", 0, "the script exited with 0; logs", 'exec "$@" >&-'),
    Script("script-mute-host", "echo some >&2; exit 42", 42, "^$", 'exec "$@" >/dev/null 2>/dev/full'),
    Script("script-no-reader", "while :; do echo y; done", 119, "the output is no longer read",
     # The status of the first command in the pipe.
     '{ { "$@" || echo $? >&3; } | head -n 1 >/dev/null; } 3>&1 | { read -r status; exit "$status"; }'),
    Script("script-safe-path", "exit 8", 8, "the script exited with 8", 'export PYTHONSAFEPATH=1; exec "$@"'),
]


def find_cases() -> list[Case]:
    return [Case(path) for path in sorted(glob.glob(os.path.join(glob.escape(HERE), "guests", "*.sh")))]


def jobs(checks: Checks, cases: list[Case]) -> list[Job]:
    """The guests for these cases: a list of (names, function). What takes longest comes first."""
    together = [case for case in cases if not case.own_boot]
    slow = ["kmemleak", "dead", "stuck", "thread", "process", "debugfs"]
    own = sorted((case for case in cases if case.own_boot and case.name != "flood"),
                 key=lambda case: slow.index(case.name) if case.name in slow else len(slow))
    found: list[Job] = []
    if together:
        names = [case.name for case in together] + ["together"] * (len(together) > 1)
        found = [(names, lambda: checks.tests("together", together))]
    return found + [([case.name], functools.partial(checks.tests, case.name, [case])) for case in own]


def other_jobs(checks: Checks, cases: list[Case]) -> list[Job]:
    """Likewise the guests that are wrong by themselves, and those that are run in another way."""
    flood, = (case for case in cases if case.name == "flood")
    return [
        (["silent"], lambda: checks.bare("silent", [("boot", "no word from user space")], "silent", boot_limit=1.5)),
        (["flood"], lambda: checks.flood(flood)),
        (["coarse-clock"], lambda: checks.bare("coarse-clock", [("clock", "resolution of [0-9]{7,} ns")], "tests",
                                               append=["highres=off"])),
        (["init-error"], lambda: checks.bare("init-error", [("init", "unknown mode 'nonsense'")], "nonsense")),
        (["qemu-killed"], lambda: checks.bare("qemu-killed", [("qemu", "QEMU ended with status -9")], "script",
                                              KilledGuest)),
        (["run-limit"], lambda: checks.bare("run-limit", [("limit", "longer than its limit of 1 s")], "silent",
                                            limit=1.0)),
        (["qemu-missing"], lambda: qemu_missing(checks)),
        (["reader"], lambda: checks.reader("reader")),
    ] + [([case.name], functools.partial(checks.script, case)) for case in SCRIPTS]


def main(argv: list[str]) -> int:
    wish = argv[0] if argv else "*"
    kernel = lab.Kernel(os.environ.get("KERNEL", "fast"))
    built = subprocess.run(["scripts/build-module.sh", kernel.name, "tests/selfcheck/modules",
                            "build/%s/selfcheck" % kernel.name], cwd=lab.ROOT, stdin=subprocess.DEVNULL)
    if built.returncode != 0 or not kernel.modules("selfcheck"):
        raise verdict.SetupError("the broken modules are not built: run scripts/build-module.sh %s "
                                 "tests/selfcheck/modules build/%s/selfcheck" % (kernel.name, kernel.name))
    run_dir = lab.RunDir(kernel, "selfcheck") if "RUN_DIR" not in os.environ else None
    out_dir = run_dir.path if run_dir else os.path.join(os.environ["RUN_DIR"], "selfcheck")
    os.makedirs(out_dir, exist_ok=True)
    choice = accel.choose(kernel, run_dir or lab.RunDir(kernel, "selfcheck"))
    checks = Checks(kernel, choice, out_dir)
    cases = find_cases()
    skipped = [case for case in cases if case.lacks(kernel)]
    if kernel.name == "fast" or kernel.name.startswith("fast@"):
        todo = jobs(checks, [case for case in cases if case not in skipped]) + other_jobs(checks, cases)
        # These have nothing to do with a guest.
        tests = units.tests() if kernel.arch.is_host else []
    else:
        todo = jobs(checks, [case for case in cases if case.needs and case not in skipped])
        tests = []
    todo = [(names, call) for names, call in todo if any(fnmatch.fnmatchcase(n, wish) for n in names)]
    tests = [test for test in tests if fnmatch.fnmatchcase(units.name(test), wish)]
    skipped = [case for case in skipped if fnmatch.fnmatchcase(case.name, wish)]
    report = ktap.Printer(len(tests) + len(skipped) + sum(len(names) for names, _ in todo))
    for case in skipped:
        report.result(case.name, skip="the kernel was built without %s" % case.lacks(kernel)[0])
    for test in tests:
        wrong = units.run(test)
        report.result(units.name(test), [wrong] if wrong else [])

    def timed(names: list[str], call: Callable[[], Wrong]) -> tuple[Wrong, float]:
        start = time.monotonic()
        try:
            wrong = call()
        except Exception as e:  # An error in a check is a failure of it.
            wrong = [(name, "%s: %s" % (type(e).__name__, e)) for name in names]
        return wrong, time.monotonic() - start

    # On the fast kernel a guest waits for most of its time, on the others it computes.
    guests = (os.cpu_count() or 1) * (2 if kernel.factor == 1 else 1)
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(2, min(8, guests))) as pool:
        for future in [pool.submit(timed, names, call) for names, call in todo]:
            results, seconds = future.result()
            for name, text in results:
                report.result("%s # %.1f s" % (name, seconds), [text] if text else [])
    return report.status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except verdict.SetupError as e:
        print("Bail out! %s" % e)
        sys.exit(1)
