# SPDX-License-Identifier: GPL-2.0
"""Processes that do not outlive this one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator

LOCK = threading.Lock()
# Seconds that a process has to end by itself.
PATIENCE = 20
# The process groups that are alive, and the signal that ends each.
ALIVE: dict[int, int] = {}
# Set once all have been ended, so that no thread starts another.
OVER = threading.Event()


@contextlib.contextmanager
def started(command: list[str], cwd: str, env: dict[str, str] | None, ended_by: int) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, with its output in `stdout`. It is ended and waited for at the end of the block."""
    check()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    with LOCK:
        ALIVE[process.pid] = ended_by
    try:
        yield process
    finally:
        end(process.pid, ended_by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=PATIENCE)
        # What is left of its group.
        end(process.pid, signal.SIGKILL)
        process.wait()
        with LOCK:
            del ALIVE[process.pid]


def check() -> None:
    """Stops the caller if all have been ended."""
    if OVER.is_set():
        raise InterruptedError


def end(group: int, how: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)


def end_all() -> None:
    OVER.set()
    with LOCK:
        for group, how in ALIVE.items():
            end(group, how)
