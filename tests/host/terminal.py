#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run by terminal.sh: plays the user at a terminal."""

import glob
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, TOP)

from qemu import ktap  # noqa: E402

PATIENCE = 240  # a boot on a busy machine, on a slow kernel


class Terminal:
    """A terminal whose session goes on when the job that runs in it is killed, as that of a login shell does."""

    def __init__(self, kernel: str, *mode: str, port: int | None = None) -> None:
        self.said = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # Three levels, as make in a module's directory calls make in the lab.
            job = ["sh", "-c", "\"$@\"; true", "outer", "sh", "-c", "\"$@\"; true", "inner",
                   os.path.join(TOP, "scripts", "run.sh"), "qemu/vm.py", "--kernel", kernel, *mode]
            if port:
                os.environ["GDB_PORT"] = str(port)
            child = subprocess.Popen(job)
            print("job %d" % child.pid, flush=True)
            child.wait()
            time.sleep(PATIENCE)
            os._exit(0)
        self.job = int((self.wait(b"\r\n") or b"job 0").split()[1])

    def wait(self, text: bytes, seconds: float = PATIENCE) -> bytes | None:
        """The output up to this text, or None."""
        end = time.monotonic() + seconds
        while text not in self.said and time.monotonic() < end:
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.said += os.read(self.fd, 65536)
                except OSError:
                    break
        return self.said if text in self.said else None

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def below(self) -> list[tuple[int, str]]:
        """The processes below the job, with their names."""
        found: dict[int, list[tuple[int, str]]] = {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as f:
                    head, _, rest = f.read().rpartition(")")
            except OSError:
                continue
            found.setdefault(int(rest.split()[1]), []).append((int(head.split()[0]), head.partition("(")[2]))
        todo, below = [self.job], []
        while todo:
            for child in found.get(todo.pop(), []):
                below.append(child)
                todo.append(child[0])
        return below

    def qemu(self) -> list[int]:
        return [pid for pid, name in self.below() if name.startswith("qemu-system")]

    def echo(self) -> bool:
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def gone(pids: list[int], seconds: int = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(os.path.exists("/proc/%d" % pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def victim(terminal: Terminal, which: int) -> int:
    """A process of the chain from the job down to QEMU: the first, the second or the last before it."""
    chain = [terminal.job] + [pid for pid, name in terminal.below() if not name.startswith("qemu-system")]
    return chain[which]


def main(kernel: str) -> int:
    printer = ktap.Printer(12)

    def report(name: str, ok: bool, said: bytes = b"") -> None:
        printer.result(name, [] if ok else [ascii(said[-600:])])

    for which, name in ((0, "the outermost process"), (1, "one between"), (-1, "the harness")):
        terminal = Terminal(kernel, "--shell", "--boot", "lab.word=1")
        up = terminal.wait(b"leaves")
        if which == 0:
            terminal.type(b"echo $((6 * 7))=$(grep -o lab.word=1 /proc/cmdline)\n")
            report("a shell does what is typed", bool(terminal.wait(b"42=lab.word=1")), terminal.said)
        qemu = terminal.qemu()
        report("a shell is up", bool(up and qemu), terminal.said)
        os.kill(victim(terminal, which), signal.SIGKILL)
        report("killing %s ends QEMU" % name, bool(qemu) and gone(qemu), terminal.said)
        if which == 0:
            report("the terminal is as it was", terminal.echo())
        terminal.close()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    terminal = Terminal(kernel, "--gdb", port=port)
    told = terminal.wait(b"on port %d" % port)
    end = time.monotonic() + PATIENCE
    answer = b""
    while not answer and time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as stub:
                stub.sendall(b"$qSupported#37")
                answer = stub.recv(100)
        except OSError:
            time.sleep(0.1)
    report("a debugger is waited for, on the port that is told", bool(told) and b"+" in answer, terminal.said)
    qemu = terminal.qemu()
    listening = []
    for path in glob.glob("/proc/net/tcp*"):
        with open(path) as f:
            listening += f.read().split()
    everywhere = ["%s:%04X" % (address, port) for address in ("0" * 8, "0" * 32)]
    report("and on this machine alone", not set(everywhere) & set(listening))
    os.kill(victim(terminal, 0), signal.SIGKILL)
    report("killing what started it ends QEMU", bool(qemu) and gone(qemu), terminal.said)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            free_again = True
        except OSError:
            free_again = False
    report("and frees the port", free_again)
    terminal.close()
    return printer.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
