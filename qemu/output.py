# SPDX-License-Identifier: GPL-2.0
"""Output and logs. A full file must not lose a verdict.

What could not be written is kept in `lost`, for the end of a run to tell.
"""

import errno
import io
import os
import sys
import threading

# Where and why, for each output that did not take all. A line each, in the order in which it was noticed.
lost: list[str] = []

streams: list["Stream"] = []  # all that were ever opened

UNPRINTABLE = {n: "\\x%02x" % n for n in (*range(9), *range(11, 32), *range(127, 160))}


def _why(name: str, error: OSError) -> str:
    return "%s: %s" % (name, error.strerror or error)


def open_standard() -> None:
    """Have descriptors 0 to 2 open, as a file that is opened later must not become one of them."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            # As in the C library: what is read or written there fails, as it did before.
            found = os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)
            if found != fd:
                os.dup2(found, fd)
                os.close(found)


def encode(text: str) -> bytes:
    """The bytes of a text for the terminal, with unprintable characters escaped."""
    name = getattr(sys.__stdout__ or sys.__stderr__, "encoding", None) or "utf-8"
    return text.encode(name, errors="backslashreplace")


def printable(text: str) -> str:
    """The text with control characters escaped, but for the tab and the newline."""
    return text.translate(UNPRINTABLE)


def say(text: str) -> None:
    """A line for the user, on standard error. Errors are ignored."""
    data = encode(text + "\n")
    try:
        while data:
            data = data[os.write(2, data):]
    except OSError:
        pass


class Log:
    """A file of a run. After an error it takes nothing more, and `lost` says so."""

    def __init__(self, path: str) -> None:
        self.name = path
        self.file: io.FileIO | None = open(path, "wb", buffering=0)

    def write(self, data: bytes | str) -> None:
        if isinstance(data, str):
            data = data.encode(errors="backslashreplace")
        try:
            while data and self.file:
                data = data[self.file.write(data):]
        except OSError as e:
            lost.append(_why(self.name, e))
            self.close()

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if self.file:
            self.file.close()
        self.file = None


class Stream:
    """Writes to a descriptor in a separate thread, as its reader may be slow."""

    FULL = 1 << 18  # bytes

    def __init__(self, fd: int, name: str) -> None:
        self.fd = fd
        self.name = name
        self.error: OSError | None = None
        self.waiting: list[bytes] = []
        self.size = 0
        self.changed = threading.Condition()
        streams.append(self)
        threading.Thread(target=self._work, daemon=True).start()

    def write(self, data: bytes | str) -> None:
        if isinstance(data, str):
            data = encode(data)
        with self.changed:
            if data and not self.error:
                self.waiting.append(data)
                self.size += len(data)
                self.changed.notify_all()

    def flush(self) -> None:
        pass

    @property
    def full(self) -> bool:
        """Whether the reader lags too far behind."""
        return self.size > self.FULL

    def drain(self, seconds: float | None = None) -> None:
        """Wait until the reader has taken all, or for so long."""
        with self.changed:
            self.changed.wait_for(lambda: not self.size, seconds)

    def check(self) -> None:
        """End the run if there is no reader left."""
        if self.error and self.error.errno == errno.EPIPE:
            raise self.error

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: bool(self.waiting))
                data = b"".join(self.waiting)
                self.waiting.clear()
            left = data
            try:
                while left:
                    left = left[os.write(self.fd, left[:1 << 16]):]
            except OSError as e:
                lost.append(_why(self.name, e))
                with self.changed:
                    self.error = e
                    self.waiting.clear()
                    self.size = 0
                    self.changed.notify_all()
                return
            with self.changed:
                self.size -= len(data)
                self.changed.notify_all()
