# SPDX-License-Identifier: GPL-2.0
"""Boot one guest in QEMU, relay its channels and say how it ended.

Channels: console (a serial port, the kernel log), qmp (QEMU's own control), and the
virtio ports by name: `status` (the guest's init reports its progress), `ktap`,
`stdout` and `stderr`. Each is also written to a file of its own in the run
directory. All but the console are socket pairs, so that nothing in the file
system can collide. The serial port writes byte by byte and drops bytes that block.
A socket only holds some hundred such bytes, a pipe a million, so the console is a
pair of fifos in the run directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import json
import os
import re
import select
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qemu import clock, lab, machine, output
from qemu.verdict import RC_FAIL, RC_INIT, RC_PASS, Failure, SetupError

BOOT_LIMIT = 20.0  # from QEMU's start to the first word of user space
IDLE_LIMIT = 30.0  # between two tests, and from the last word to the end
GRACE = 10.0  # what the guest gets to end an overdue test by itself
STALL = 5.0  # more than this process ever has to wait for a CPU
DEATH_LIMIT = 2.0  # from the last words on the console to QEMU's end

# On a busy host the kernel may find that its timer disagrees with the PIT, or seems too slow,
# and then runs without high resolution timers. That is a boot that failed.
MISTIMED = re.compile("APIC timer disabled due to verification failure|APIC frequency too slow")
BOOT_TRIES = 20

LINE_LENGTH = 1 << 16  # bytes; longer input is not a line of text

# Where a CPU is, in the words of QEMU for any architecture.
CPU_REGISTERS = re.compile(r"CPU#(\d+).*?(?:RIP| PC)=([0-9a-f]+)")

LAST_WORDS = (
    ("panic", "Kernel panic - not syncing"),
    ("reboot", "reboot: Restarting system"),
    ("poweroff", "reboot: Power down"),
    ("poweroff", "reboot: System halted"),
    ("poweroff", "reboot: Power off not available"),
)


def find_qemu(arch: machine.Arch) -> str:
    path = shutil.which(arch["QEMU"])
    if path is None:
        raise SetupError("%s is not installed: install the package %s" % (arch["QEMU"], arch["QEMU_PACKAGE"]))
    return path


LIBC = ctypes.CDLL(None)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone (PR_SET_PDEATHSIG)."""
    LIBC.prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def start(args: list[str], **kwargs: Any) -> Process:
    """Start a program that does not outlive this one, even if this one is killed."""
    me = os.getpid()
    return subprocess.Popen(args, preexec_fn=lambda: _die_with(me), **kwargs)


def end(process: Process) -> None:
    """End it in a way that lets it leave the terminal as it was, if it still can."""
    process.terminate()
    try:
        process.wait(DEATH_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def callers() -> list[int]:
    """Descriptors of the processes above this one that belong to the same job: make, and what runs in between."""
    found = []
    pid = os.getppid()
    with contextlib.suppress(OSError):
        while pid > 1 and os.getpgid(pid) == os.getpgrp():
            found.append(os.pidfd_open(pid))
            with open("/proc/%d/stat" % pid) as f:
                # The name, in parentheses, may hold anything.
                pid = int(f.read().rpartition(")")[2].split()[1])
    return found


def wait_for_one(pidfds: list[int], terminal: int) -> None:
    """Wait until one of these processes has ended, or the terminal is closed."""
    poll = select.poll()
    # Only the leader of its session is told of that. make is one where it is all that was started
    # there, and waits for its children then.
    poll.register(terminal, 0)
    for fd in pidfds:
        poll.register(fd, select.POLLIN)
    poll.poll()


def share_devices(kernel: lab.Kernel, path: str, writable: bool = False) -> list[str]:
    """The QEMU arguments for a directory of the host, which the guest mounts by the name `share`."""
    return ["-fsdev", "local,id=share,path=%s,security_model=none,multidevs=remap,readonly=%s"
            % (os.path.abspath(path).replace(",", ",,"), "off" if writable else "on"),
            "-device", kernel.machine.virtio("9p") + ",fsdev=share,mount_tag=share"]


@dataclass(frozen=True)
class Request:
    """What a guest is to be, whatever runs in it."""

    kernel: lab.Kernel
    accel: machine.Accel
    smp: int = 2
    mem: int = 512  # MiB
    append: Sequence[str] = ()  # more words for the kernel's command line
    devices: Sequence[str] = ()  # more arguments for QEMU
    factor: int | None = None  # in place of the kernel's own, by which these are longer:
    boot_limit: float = BOOT_LIMIT
    grace: float = GRACE
    limit: float = 600.0  # seconds for the whole run

    def qemu(self, initrd: str) -> list[str]:
        """The command that boots it, but for what it is talked to by."""
        return [find_qemu(self.kernel.arch), *self.kernel.machine.args(self.accel, self.smp, self.mem),
                "-kernel", self.kernel.image, "-initrd", initrd, "-append", self.command_line(), *self.devices]

    def command_line(self) -> str:
        """The kernel's command line."""
        # Patching mitigations in and calibrating a delay loop would take a third of the boot under TCG.
        # Nothing that runs in the guest can mute the console, or keep its markers from it.
        words = [*self.kernel.arch["BOOT"].split(), "loglevel=7", "ignore_loglevel", "printk.devkmsg=on", "panic=-1",
                 "kunit.enable=1", "mitigations=off"]
        khz = self.kernel.arch["CLOCK"] == "tsc" and (self.accel.tsc_khz or clock.tsc_khz())
        if khz:
            words += ["tsc=reliable", "tsc_early_khz=%d" % khz, "lpj=%d" % (khz * 1000 // self.kernel.hz)]
        return " ".join([*words, *self.append])


Process = subprocess.Popen[bytes]
LineHook = Callable[[str], object]
DataHook = Callable[[bytes], object]
Selector = selectors.DefaultSelector


class Channel:
    """One stream from the guest: logged raw, handed on by line or by chunk."""

    stream: output.Stream | None = None  # where what comes goes, as far as its reader takes it
    trailer = b""  # what the guest sends at the end, and is no part of the rest
    ended = True  # nothing is on its way any more
    kept = b""  # what may be the beginning of the trailer

    def __init__(self, log: output.Log, on_line: LineHook | None = None, on_data: DataHook | None = None) -> None:
        self.log = log
        self.on_line = on_line
        self.on_data = on_data
        self.host, self.guest = socket.socketpair()
        self.host.setblocking(False)
        self.rest = b""

    def chardev(self) -> tuple[str, str, list[int]]:
        """The arguments after `-chardev ...,id=NAME` for QEMU, and the descriptor that it inherits."""
        return "socket", "fd=%d" % self.guest.fileno(), [self.guest.fileno()]

    def qemu_started(self) -> None:
        self.guest.close()

    def fileno(self) -> int:
        return self.host.fileno()

    def read(self) -> bytes:
        try:
            return self.host.recv(65536)
        except ConnectionResetError:
            return b""

    def write(self, data: bytes) -> None:
        self.host.sendall(data)

    def close(self) -> None:
        self.host.close()
        self.guest.close()
        self.log.close()

    def lags(self) -> bool:
        """Whether its reader lags so far behind that there should be no more for now."""
        if self.stream is None:
            return False
        self.stream.check()
        return self.stream.full

    def expect(self, trailer: bytes) -> None:
        """These bytes mark the end: earlier output of the guest may still be in QEMU."""
        self.trailer = trailer
        self.ended = False

    def _cut(self, data: bytes) -> bytes:
        data = self.kept + data
        self.kept = b""
        at = data.find(self.trailer)
        if at >= 0:
            self.ended = True
            return data[:at] + data[at + len(self.trailer):]
        for n in range(min(len(self.trailer) - 1, len(data)), 0, -1):
            if data.endswith(self.trailer[:n]):
                self.kept = data[-n:]
                return data[:-n]
        return data

    def feed(self, data: bytes) -> None:
        if self.trailer:
            data = self._cut(data)
        self.log.write(data)
        self.log.flush()
        if self.on_data:
            self.on_data(data)
        if self.on_line:
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                self.on_line(line.decode(errors="replace").rstrip("\r"))
            if len(self.rest) > LINE_LENGTH:
                self.finish()

    def finish(self) -> None:
        """Hand on what was kept, as the last line if that has no newline."""
        if self.kept:
            kept, self.kept, self.trailer = self.kept, b"", b""
            self.feed(kept)
        if self.on_line and self.rest:
            self.on_line(self.rest.decode(errors="replace"))
        self.rest = b""


class FifoChannel(Channel):
    """The same over a pair of named pipes, PATH.in and PATH.out as seen by QEMU."""

    PIPE_SIZE = 1 << 20

    def __init__(self, path: str, log: output.Log, on_line: LineHook | None) -> None:
        self.path = path
        self.log = log
        self.on_line = on_line
        self.on_data = None
        self.rest = b""
        for end in (".in", ".out"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + end)
            os.mkfifo(path + end, 0o600)
        self.source = os.open(path + ".out", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.sink = os.open(path + ".in", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.source, 1031, self.PIPE_SIZE)  # F_SETPIPE_SZ

    def chardev(self) -> tuple[str, str, list[int]]:
        return "pipe", "path=" + self.path.replace(",", ",,"), []

    def qemu_started(self) -> None:
        pass

    def fileno(self) -> int:
        return self.source

    def read(self) -> bytes:
        return os.read(self.source, 65536)

    def write(self, data: bytes) -> None:
        os.write(self.sink, data)

    def close(self) -> None:
        os.close(self.source)
        os.close(self.sink)
        self.log.close()
        os.unlink(self.path + ".in")
        os.unlink(self.path + ".out")


class Guest:
    """One boot. Override the on_* methods, then call run()."""

    def __init__(self, request: Request, run_path: str, initrd: str, ports: list[str]) -> None:
        self.request = request
        self.run_path = run_path
        self.initrd = initrd
        self.ports = ports
        self.factor = request.kernel.factor if request.factor is None else request.factor
        self.boot_limit = request.boot_limit * self.factor
        self.grace = request.grace * self.factor
        self.tries = 0
        self.stalled = 0.0  # seconds for which the host stood still
        self.waited = 0.0  # and for which it was busy with what the guest said, or its reader did not read on
        self._forget()

    trailer = b""  # that of what streams

    def _forget(self) -> None:
        """Start from nothing, for the first try to boot and each further one."""
        self.channels: dict[str, Channel] = {}
        self.failures: list[Failure] = []
        self.current: str | None = None  # the test that is running
        self.console_lines: list[str] = []
        self.last_words: str | None = None
        self.panic_text: str | None = None
        self.up_after: float | None = None  # seconds from QEMU's start to user space
        self.done = False  # the guest said that it is through
        self.rc: int | None = None
        self.mistimed = False
        self.facts: dict[str, list[tuple[str, str]]] = {}  # name of a test -> pairs (word, text) that the guest tells of it
        self.over = False  # the console has been read to the end
        self.told: set[str] = set()  # the tests of which it has told all
        self._deadline = self._hard = 0.0

    # Methods to override.

    def on_ktap(self, line: str) -> None:
        pass

    def on_status(self, words: list[str]) -> None:
        pass

    def on_console(self, line: str) -> None:
        pass

    def stream(self, port: str) -> output.Stream | None:
        """What shows what comes on this port, if that is to be shown."""
        return None

    def on_output(self, port: str, data: bytes) -> None:
        """Output on a port without a stream."""

    def on_print(self, port: str, line: str) -> None:
        """A line on a port that is shown."""

    # Life of the guest.

    def run(self) -> list[Failure]:
        """Boot, wait for the end, and return the list of what did not hold."""
        os.makedirs(self.run_path, exist_ok=True)
        while True:
            self.tries += 1
            self._boot_once()
            if not self.mistimed or self.failures:
                return self.failures
            if self.tries == BOOT_TRIES:
                self.failures.append(Failure("clock", "the guest's timer failed its calibration in each of %d boots: "
                                             "is the host overloaded?" % self.tries))
                return self.failures
            for name in ("console.log", "qemu.log"):
                os.replace(os.path.join(self.run_path, name), os.path.join(self.run_path, "try%d-%s" % (self.tries, name)))
            self._forget()

    def _boot_once(self) -> None:
        try:
            self._start()
            try:
                self._loop()
            finally:
                self._kill()
            if not self.mistimed:
                self._judge_end()
        finally:
            for channel in self.channels.values():
                channel.close()

    def _start(self) -> None:
        args = self.request.qemu(self.initrd)
        self._channel("console", on_line=self._console_line)
        self._channel("qmp")
        args += ["-serial", "chardev:console", "-mon", "chardev=qmp,mode=control"]
        for port in self.ports:
            if port == "status":
                self._channel(port, on_line=self._status_line)
            elif port == "ktap":
                self._channel(port, on_line=self.on_ktap)
            else:
                stream = self.stream(port)
                if stream:
                    self._channel(port, on_data=stream.write, on_line=functools.partial(self.on_print, port))
                    self.channels[port].stream = stream
                else:
                    self._channel(port, on_data=functools.partial(self.on_output, port))
                self.channels[port].expect(self.trailer)
            args += ["-device", "virtserialport,chardev=%s,name=%s" % (port, port)]
        fds: list[int] = []
        for name, channel in self.channels.items():
            backend, options, inherited = channel.chardev()
            args += ["-chardev", "%s,id=%s,%s" % (backend, name, options)]
            fds += inherited
        with open(os.path.join(self.run_path, "qemu.args"), "w") as f:
            f.write("\n".join(args) + "\n")
        self.start = time.monotonic()
        self._until(self.boot_limit)
        with open(os.path.join(self.run_path, "qemu.log"), "wb") as log:
            self.process = start(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 pass_fds=fds, start_new_session=True)
        for channel in self.channels.values():
            channel.qemu_started()
        self._qmp("qmp_capabilities")

    def _channel(self, name: str, on_line: LineHook | None = None, on_data: DataHook | None = None) -> None:
        suffix = {"console": "console.log", "ktap": "results.ktap", "out": "out.tar"}.get(name, name + ".log")
        log = output.Log(os.path.join(self.run_path, suffix))
        if name == "console":
            self.channels[name] = FifoChannel(os.path.join(self.run_path, name), log, on_line)
        else:
            self.channels[name] = Channel(log, on_line, on_data)

    def _qmp(self, command: str, **arguments: str) -> None:
        text = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        try:
            self.channels["qmp"].write(text.encode())
        except OSError:
            # QEMU is gone; the loop sees that by itself.
            pass

    def _until(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _loop(self) -> None:
        self._hard = self.start + self.request.limit
        with selectors.DefaultSelector() as sel:
            for channel in self.channels.values():
                sel.register(channel, selectors.EVENT_READ, channel)
            held: list[Channel] = []
            while (sel.get_map() or held) and not self.mistimed:
                now = time.monotonic()
                end = min(self._deadline, self._hard)
                if now >= end:
                    self._overdue(sel, hard_limit=self._hard <= self._deadline)
                    return
                before = self.waited
                self._read(sel, min(end - now, 0.05 if held else 1.0))
                if held:
                    # The guest is kept waiting, too.
                    self._credit(time.monotonic() - now - (self.waited - before))
                held = self._hold(sel, held)
        if self.mistimed:
            return
        try:
            self.process.wait(DEATH_LIMIT)
        except subprocess.TimeoutExpired:
            self.failures.append(Failure("qemu", "QEMU closed its channels but did not end"))

    def _hold(self, sel: Selector, held: list[Channel]) -> list[Channel]:
        """Stop reading channels whose own reader lags behind; returns these channels."""
        now = []
        for channel in held:
            if channel.lags():
                now.append(channel)
            else:
                sel.register(channel, selectors.EVENT_READ, channel)
        for key in list(sel.get_map().values()):
            if key.data.lags():
                sel.unregister(key.data)
                now.append(key.data)
        return now

    def _credit(self, seconds: float) -> None:
        """Time that is not the guest's fault does not count against its limits."""
        self.waited += seconds
        self._deadline += seconds
        self._hard += seconds

    def _read(self, sel: Selector, timeout: float) -> bool:
        """Read the output of the guest; returns whether there was any in this time."""
        start = time.monotonic()
        ready = sel.select(timeout)
        late = time.monotonic() - start - timeout
        if late > STALL:
            # While this process did not run, QEMU did not either, as when the host was suspended.
            self.stalled += late
            self._deadline += late
            self._hard += late
        start = time.monotonic()
        for key, _ in ready:
            data = key.data.read()
            if data:
                key.data.feed(data)
            else:
                sel.unregister(key.data)
                key.data.finish()
        if self.over and all(channel.ended for channel in self.channels.values()):
            self.over = False
            with contextlib.suppress(OSError):
                self.channels["status"].write(b"bye\n")
        self._credit(time.monotonic() - start)
        return bool(ready)

    def _console_line(self, line: str) -> None:
        self.console_lines.append(line)
        if MISTIMED.search(line) and self.up_after is None:
            self.mistimed = True
        if line.endswith("kdemo-test: over"):
            self.over = True
        for kind, text in LAST_WORDS:
            if text in line and self.last_words is None:
                self.last_words = kind
                if kind == "panic":
                    self.panic_text = line[line.index(text):]
                self._until(DEATH_LIMIT * self.factor)
        self.on_console(line)

    def _status_line(self, line: str) -> None:
        words = line.split(" ")
        if words[0] == "up":
            self.up_after = time.monotonic() - self.start
        elif words[0] == "clock":
            self.failures.append(Failure("clock", "the guest's clock has a resolution of %s ns, not 1 ns: its latencies "
                                         "would mean nothing (it has %s)" % (words[1], " ".join(words[2:]))))
        elif words[0] == "error":
            self.failures.append(Failure("init", "the guest's init failed: " + " ".join(words[1:])))
        elif words[0] == "begin":
            self.current = words[1]
        elif words[0] == "fact" and len(words) > 3:
            self.facts.setdefault(words[1], []).append((words[2], " ".join(words[3:])))
        elif words[0] == "end":
            self.told.add(words[1])
            self.current = None
        elif words[0] == "done":
            self.done = True
        if self.last_words is None:
            # Without a limit of its own, what runs has that of the whole.
            self._until((float(words[2]) or self.request.limit) + self.grace if words[0] == "begin"
                        else IDLE_LIMIT * self.factor)
        self.on_status(words)

    def _overdue(self, sel: Selector, hard_limit: bool) -> None:
        if self.last_words:
            return
        self._ask_for_stacks(sel)
        where = " in the middle of %s" % self.current if self.current else ""
        if hard_limit:
            self.failures.append(Failure("limit", "the whole run took longer than its limit of %.0f s and was "
                                         "ended%s" % (self.request.limit, where), self.current))
        elif self.up_after is None:
            self.failures.append(Failure("boot", "no word from user space within the boot limit of %.0f s"
                                         % self.boot_limit))
        else:
            self.failures.append(Failure("hang", "the guest stopped answering%s%s" % (where, self._where_cpus_are()),
                                         self.current))

    def _where_cpus_are(self) -> str:
        """Ask QEMU where each CPU is, which works in any state of the guest."""
        self._qmp("human-monitor-command", **{"command-line": "info registers -a"})
        end = time.monotonic() + 5.0
        found: list[tuple[str, str]] = []
        with selectors.DefaultSelector() as sel:
            sel.register(self.channels["qmp"], selectors.EVENT_READ, self.channels["qmp"])
            while len(found) < self.request.smp and time.monotonic() < end and sel.get_map():
                self._read(sel, 0.5)
                with open(self.channels["qmp"].log.name) as f:
                    found = CPU_REGISTERS.findall(f.read())
        words = ["CPU %s in %s" % (cpu, self.request.kernel.function_at(int(address, 16))) for cpu, address in found]
        return " (%s)" % ", ".join(words) if words else ""

    def _ask_for_stacks(self, sel: Selector) -> None:
        """Send SysRq over the serial line: blocked tasks, then every CPU's stack, into the console log."""
        for key in b"wl":
            self._qmp("chardev-send-break", id="console")
            end = time.monotonic() + 0.2
            try:
                # The key must come after the break, and QEMU takes QMP and data from two sockets.
                while time.monotonic() < end and sel.get_map():
                    self._read(sel, 0.05)
                self.channels["console"].write(bytes([key]))
            except OSError:
                return
            # Listen until it has said all, or for 5 s.
            end = time.monotonic() + 5.0
            while time.monotonic() < end and sel.get_map() and self._read(sel, 2.0):
                pass

    def _kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        elif self.rc is None:
            self.rc = self.process.returncode
        self.process.wait()

    def _judge_end(self) -> None:
        """Turn the way in which QEMU ended into a failure, unless one is known already."""
        kinds = {f.kind for f in self.failures}
        where = " in the middle of %s" % self.current if self.current else ""
        if self.last_words == "panic":
            self.failures.append(Failure("panic", "the kernel panicked%s: %s" % (where, self.panic_text), self.current))
        elif self.last_words == "reboot":
            self.failures.append(Failure("reboot", "the guest rebooted%s before its verdict" % where, self.current))
        elif self.last_words == "poweroff":
            self.failures.append(Failure("poweroff", "the guest powered off%s before its verdict" % where,
                                         self.current))
        elif kinds & {"boot", "hang", "limit"}:
            pass
        elif self.rc == RC_INIT:
            if "init" not in kinds and "clock" not in kinds:
                self.failures.append(Failure("init", "the guest's init failed without a reason%s" % where))
        elif self.rc == 0:
            self.failures.append(Failure("reboot", "the guest was reset%s without a word on the console "
                                         "(a triple fault)" % where, self.current))
        elif self.rc not in (RC_PASS, RC_FAIL):
            self.failures.append(Failure("qemu", "QEMU ended with status %s: %s" % (self.rc, self._qemu_words()),
                                         self.current))
        elif not self.done:
            self.failures.append(Failure("init", "the guest left with the code %s but never said that it was "
                                         "through" % self.rc, self.current))

    def _qemu_words(self) -> str:
        with open(os.path.join(self.run_path, "qemu.log"), errors="replace") as f:
            words = f.read().strip().splitlines()
        return words[-1] if words else "no message"
