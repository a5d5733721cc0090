# SPDX-License-Identifier: GPL-2.0
"""usage: gdb.py KERNEL DIR MODULE COMMAND...

Starts the guest of `make gdb MODULE=DIR`, does in gdb what it says and then these
COMMANDs, has the guest load MODULE, and prints what gdb did.
"""

import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LIMIT = 120


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Guest:
    """The guest on a terminal of its own."""

    def __init__(self, kernel: str, directory: str, port: int) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["GDB_PORT"] = ":%d" % port
            os.execv(os.path.join(TOP, "scripts", "run.sh"),
                     ["run.sh", "qemu/vm.py", "--kernel", kernel, "--module", directory, "--gdb"])
        self.said = ""
        self.end = time.monotonic() + LIMIT

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The output that matches."""
        while not (found := re.search(pattern, self.said)):
            left = self.end - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise SystemExit("the guest did not say '%s' in %d s but: %s" % (pattern, LIMIT, self.said))
            try:
                self.said += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                raise SystemExit("the guest has ended: %s" % self.said) from None
        return found

    def close(self) -> None:
        # Ctrl-A X
        try:
            os.write(self.terminal, b"\x01x")
            self.wait_for("the guest has ended|QEMU ended")
        finally:
            os.kill(self.pid, signal.SIGTERM)
            os.close(self.terminal)
            os.waitpid(self.pid, 0)


def main(kernel: str, directory: str, module: str, *commands: str) -> None:
    guest = Guest(kernel, directory, free_port())
    try:
        gdb, recipe = guest.wait_for(r"#   (gdb\S*) (-x .*?)\r?\n").groups()
        guest.wait_for(r"modprobe %s" % module)
        words = [gdb, "-nx", "-batch", *shlex.split(recipe)]
        for command in commands:
            words += ["-ex", command]
        debugger = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            guest.wait_for(r"Ctrl-A X leaves")
            os.write(guest.terminal, b"modprobe %s\n" % module.encode())
            print(debugger.communicate(timeout=LIMIT)[0])
        finally:
            debugger.kill()
            debugger.wait()
    finally:
        guest.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
