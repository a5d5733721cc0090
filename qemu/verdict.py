# SPDX-License-Identifier: GPL-2.0
"""The possible failures, each with its own exit code and its own sentence.

Whether what ran holds is up to judge.py, how a guest ended to guest.py.

exit  kind          sentence
   0                everything held
   1  test          a test failed, or said `not ok`
 101  boot          the guest said nothing from user space within the boot limit
 102  clock         the guest's clock does not tick in nanoseconds
 103  panic         the kernel panicked
 104  reboot        the guest rebooted before it gave its verdict
 105  poweroff      the guest powered off or halted before it gave its verdict
 106  hang          the guest stopped answering in the middle of a test or script
 107  limit         the whole run took longer than its limit
 108  qemu          QEMU failed or was killed by somebody else
 109  init          the guest's own runner failed
 110  status        the exit status of a test or of the script was lost
 111  ktap          the KTAP is malformed, out of order or truncated
 112  counters      a kernel counter (taint, warnings, oopses, ...) changed in a test
 113  splat         the console shows a kernel complaint that no test declared
 114  left-behind   a test left a thread, module, process or debugfs entry behind
 115  timeout       a test took longer than its limit and was killed
 116  no-splat      a test declared a kernel complaint that did not come
 117  out           what the guest left in /out did not get to the host
 119  output        what was to be said or logged could not be written; nothing else was wrong
 118  mute          the console lost the markers of a test, and maybe complaints
 125  setup         nothing was run: the command line is wrong, or something is missing or does not build
 130               interrupted

env, timeout and docker also exit with 125 if they could not run their command, and `git bisect run`
skips a commit with that status.
"""

import argparse
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from qemu import output
from qemu.splat import Splat

# The order is that of importance: a run with several failures exits with the first of these.
CODES = {
    "setup": 125,
    "clock": 102,
    "panic": 103,
    "reboot": 104,
    "poweroff": 105,
    "hang": 106,
    "limit": 107,
    "boot": 101,
    "qemu": 108,
    "init": 109,
    "status": 110,
    "mute": 118,
    "splat": 113,
    "counters": 112,
    "no-splat": 116,
    "left-behind": 114,
    "timeout": 115,
    "ktap": 111,
    "out": 117,
    "test": 1,
    "output": 119,
}

INTERRUPTED = 130

# A value that the guest writes to the exit port comes back as 2 * value + 1.
RC_PASS, RC_FAIL, RC_INIT = 33, 35, 37


class SetupError(Exception):
    """Nothing can be run: the text says what to do about it."""


@dataclass(eq=False)
class Failure:
    """One failure, and the test that caused it, if any."""

    kind: str
    text: str
    test: str | None = None
    splat: Splat | None = field(default=None, repr=False)  # what the kernel said about it

    def __post_init__(self) -> None:
        assert self.kind in CODES

    def sentence(self) -> str:
        return "%s: %s" % (self.test, self.text) if self.test else self.text


class Parser(argparse.ArgumentParser):
    """A parser of command lines, with its own status for wrong ones."""

    def error(self, message: str) -> NoReturn:
        self.exit(CODES["setup"], "%s: %s (--help tells more)\n" % (self.prog, message))


def run_main(name: str, function: Callable[..., int], *args: object) -> int:
    """Run a program's `function`; how it ends by itself, by a signal or by an error is the exit status."""
    output.open_standard()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return function(*args)
    except BrokenPipeError:
        output.say("%s: the output is no longer read, so the run was ended" % name)
        return CODES["output"]
    except SetupError as e:
        output.say("%s: %s" % (name, e))
        return CODES["setup"]
    except OSError as e:
        # Python does not say which file takes no more; all but the temporary ones are in build/.
        output.say("%s: %s: %s; there is no verdict" % (name, e.filename or "a file in build/ or the temporary directory",
                                                       e.strerror or e))
        return CODES["setup"]
    except KeyboardInterrupt:
        for stream in output.streams:
            stream.drain(1)
        output.say("\n# interrupted, QEMU was killed")
        return INTERRUPTED


def by_importance(failures: Iterable[Failure]) -> list[Failure]:
    """The failures, the most important first."""
    order = list(CODES)
    return sorted(failures, key=lambda f: order.index(f.kind))


def exit_code(failures: Iterable[Failure]) -> int:
    """The exit status for a run in which these failures were found."""
    if not failures:
        return 0
    return CODES[by_importance(failures)[0].kind]
