# SPDX-License-Identifier: GPL-2.0
"""Run the tests that belong on the host: tests/host/*.sh and the self-check.

They report like the tests in the guest: KTAP on stdout, exit status 0 for pass,
1 for fail, 4 for skip. The name of the kernel is in $KERNEL. Two run at once, beside
the tests in the guest, and each is reported as if it ran alone.
"""

import concurrent.futures
import glob
import os
import queue
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from qemu import judge, lab, output
from qemu.ktap import Result
from qemu.verdict import Failure

# Seconds, on a fast kernel: a busy machine takes ten times as long as one that is not.
LIMIT = 600
AT_ONCE = 2
# Options of this run that must not reach the programs of a test.
ITS_OWN = ("KDIR", "LAB_GIVEN", "LAB_GOALS", "TESTS", "JUNIT", "SMP", "MEM", "BOOT")
SETTLE = 3.0  # seconds in which what a test has started may still end


def session(leader: int) -> list[tuple[str, int]]:
    """The processes of a session, as pairs (name, number), but for zombies."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                head, _, rest = f.read().rpartition(")")
        except OSError:
            continue
        # After the name come the state, the parent, the group and the session.
        state, _, _, number = rest.split()[:4]
        if int(number) == leader and state not in "ZX":
            pid, _, name = head.partition(" (")
            found.append((name, int(pid)))
    return found


# What did not hold, the parsed result, and the seconds that the test took.
Outcome = tuple[list[Failure], Result, float]


class HostTest:
    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        # The lines of its output, as they come, and None when the run is over.
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def run(self, kernel: lab.Kernel, run_dir: lab.RunDir) -> Outcome:
        """Returns its failures, its parsed result and the seconds that it took. Runs in a thread."""
        start = time.monotonic()
        limit = LIMIT * kernel.factor
        facts = judge.Facts(self.name, limit)
        environment = {name: value for name, value in os.environ.items() if name not in ITS_OWN}
        # It is removed with the test in any case. Some tests run as another user in it.
        place = tempfile.mkdtemp(prefix="kdemo-host-")
        copy = output.Log(run_dir.file(self.name.replace("/", "-") + ".ktap"))
        try:
            os.chmod(place, 0o755)
            process = subprocess.Popen(self.command, cwd=lab.ROOT, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       env={**environment, "KERNEL": kernel.name, "RUN_DIR": run_dir.path,
                                            "TMPDIR": place},
                                       start_new_session=True)
            assert process.stdout is not None
            self.process = process
            try:
                for line in self._lines(process, limit, facts):
                    copy.write(line + "\n")
                    facts.ktap.feed(line)
                    self.lines.put(line)
                if facts.status != "timeout":
                    facts.left = self._left(process.pid)
            finally:
                while self.kill():
                    process.poll()
                    time.sleep(0.01)
                self.process = None
                process.wait()
                process.stdout.close()
        finally:
            copy.close()
            shutil.rmtree(place, ignore_errors=True)
        failures, result = judge.judge(facts)
        return failures, result, time.monotonic() - start

    def over(self, _: object) -> None:
        """No more lines come."""
        self.lines.put(None)

    def kill(self) -> bool:
        """Kill all of its session, in which its children may have made groups of their own. Whether there was any."""
        process = self.process
        left = session(process.pid) if process else []
        for _, pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return bool(left)

    @staticmethod
    def _left(leader: int) -> str:
        """The processes of its session that outlive the test, as a text."""
        end = time.monotonic() + SETTLE
        while left := session(leader):
            if time.monotonic() > end:
                return ", ".join("process:%s:%d" % item for item in left)
            time.sleep(0.05)
        return ""

    @staticmethod
    def _lines(process: subprocess.Popen[bytes], limit: float, facts: judge.Facts) -> Iterator[str]:
        """The lines of its output, until it has ended or its time is up. Its status goes to facts."""
        end = time.monotonic() + limit
        rest = b""
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        watch = os.pidfd_open(process.pid)
        try:
            with selectors.DefaultSelector() as sel:
                sel.register(pipe, selectors.EVENT_READ)
                sel.register(watch, selectors.EVENT_READ)
                while True:
                    ready = [key.fd for key, _ in sel.select(max(0.0, end - time.monotonic()))]
                    # Another process may hold the pipe open when the test itself has ended.
                    data = os.read(pipe, 65536) if pipe in ready else b""
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        yield line.decode(errors="replace").rstrip("\r")
                    if data:
                        continue
                    if pipe in ready:
                        sel.unregister(pipe)
                    if watch in ready:
                        status = process.wait()
                        facts.status = 128 - status if status < 0 else status
                        break
                    if not ready:
                        facts.status = "timeout"
                        break
        finally:
            os.close(watch)
        if rest:
            yield rest.decode(errors="replace")


class Runs:
    """Tests that run from now on, beside what the caller does until it wants their reports."""

    def __init__(self, tests: list[HostTest], kernel: lab.Kernel, run_dir: lab.RunDir) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        self.runs: list[tuple[HostTest, concurrent.futures.Future[Outcome]]] = []
        for test in tests:
            job = self.pool.submit(test.run, kernel, run_dir)
            job.add_done_callback(test.over)
            self.runs.append((test, job))

    def report(self, report: judge.Report) -> None:
        """In their order, a test's lines as they come once those before it are through."""
        for test, job in self.runs:
            while (line := test.lines.get()) is not None:
                report.nested("  " + line)
            report.result(test.name, *job.result())

    def __enter__(self) -> "Runs":
        return self

    def __exit__(self, *reason: object) -> None:
        for _, job in self.runs:
            job.cancel()
        # A test may start its process just now.
        while not all(job.done() for _, job in self.runs):
            for test, _ in self.runs:
                test.kill()
            time.sleep(0.01)
        self.pool.shutdown()


def find(once: bool = True) -> list[HostTest]:
    """The self-check and the tests in tests/host; without once, not those that are the same for any kernel."""
    found = []
    check = os.path.join(lab.TESTS, "selfcheck", "run.py")
    if os.path.exists(check):
        found.append(HostTest("selfcheck", [sys.executable, check]))
    for path in sorted(glob.glob(os.path.join(glob.escape(lab.TESTS), "host", "*.sh"))):
        with open(path) as f:
            if not once and "\n# ksft-kernel: any\n" in f.read():
                continue
        name = os.path.splitext(os.path.basename(path))[0]
        found.append(HostTest("host/" + name, ["sh", path]))
    return found
