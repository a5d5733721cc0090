# SPDX-License-Identifier: GPL-2.0
"""Run the tests that belong on the host: tests/host/*.sh and the self-check.

They report like the tests in the guest: KTAP on stdout, exit status 0 for pass,
1 for fail, 4 for skip. The name of the kernel is in $KERNEL.
"""

import glob
import os
import selectors
import signal
import subprocess
import sys
import time

import ktap
import lab
import suite

LIMIT = 300  # seconds, on a fast kernel


class HostTest:
    def __init__(self, name, command):
        self.name = name
        self.command = command

    def run(self, report, kernel, run_dir):
        parser = ktap.Parser()
        limit = LIMIT * kernel.factor
        log = run_dir.file(self.name.replace("/", "-") + ".ktap")
        status = None
        with open(log, "w") as copy:
            process = subprocess.Popen(self.command, cwd=lab.ROOT, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       env={**os.environ, "KERNEL": kernel.name, "RUN_DIR": run_dir.path},
                                       start_new_session=True)
            try:
                for line in self._lines(process, limit):
                    copy.write(line + "\n")
                    parser.feed(line)
                    report.nested("  " + line)
                status = process.wait()
            except TimeoutError:
                pass
            finally:
                self._kill_group(process)
        results = parser.finish()
        report.result(self.name, *self._judge(status, results, parser, limit))

    @staticmethod
    def _kill_group(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    @staticmethod
    def _lines(process, limit):
        """The lines of its output, TimeoutError when its time is up."""
        end = time.monotonic() + limit
        rest = b""
        with selectors.DefaultSelector() as sel:
            sel.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                if not sel.select(left):
                    continue
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    def _judge(self, status, results, parser, limit):
        """Failures and a result line of the same shape as the guest's runner makes."""
        directive, reason, ok = None, "", status == 0
        if status is None:
            directive, reason = "TIMEOUT", "%d seconds" % limit
        elif status == 4:
            directive, reason, ok = "SKIP", parser.top.skip_reason if parser.top else "", True
        elif status not in (0, 1):
            directive, reason = "ERROR", "status: it exited with %d" % status
        result = ktap.Result(ok, 0, self.name, directive, reason, results)
        errors = list(parser.errors)
        if parser.bail is not None:
            errors.append("it bailed out: " + parser.bail)
        if status == 0 and ktap.count(results)[1]:
            errors.append("it exited with 0, but a subtest failed")
        failures = suite.judge_result(result, errors)
        return failures, result


def find():
    """The self-check and the tests in tests/host."""
    found = []
    check = os.path.join(lab.TESTS, "selfcheck", "run.py")
    if os.path.exists(check):
        found.append(HostTest("selfcheck", [sys.executable, check]))
    for path in sorted(glob.glob(os.path.join(glob.escape(lab.TESTS), "host", "*.sh"))):
        name = os.path.splitext(os.path.basename(path))[0]
        found.append(HostTest("host/" + name, ["sh", path]))
    return found
