# SPDX-License-Identifier: GPL-2.0
"""Decode a kernel complaint to files and lines, with the kernel's own scripts/decode_stacktrace.sh."""

import argparse
import os
import re
import shlex
import subprocess
import tempfile

from qemu import lab, layout
from qemu.splat import FRAME, Splat

LIMIT = 60  # seconds for one complaint
LENGTH = 120  # lines of one complaint
CYCLE = 8  # functions that call each other in a circle

# Registers, bytes of code, and unreliable frames. Not lr of arm64: in a leaf function only that names the caller.
NOISE = re.compile(r" *(\? |(R[A-D]X|R[SD]I|R[BS]P|R\d\d|[CDEFG]S|CR\d|DR\d|PKRU|ORIG_RAX|RIP: 0033|Code|"
                   r"pstate|sp ?|x\d+ ?|pmr(_save)?|Mem abort info|Data abort info|user pgtable|"
                   r"Modules linked in): ?|(ESR|EC|SET|EA|FSC|ISV|CM|GCS) = |\[[0-9a-f]+\] pgd=)")
# The place of the complaint itself.
RIP = re.compile(r" *(RIP|pc ?): ")
LINE = re.compile(r":[0-9]+[ )]")
# The discriminator of a line, which some releases of the tools print.
DISCRIMINATOR = re.compile(r" \(discriminator [0-9]+\)")
UP = re.compile(r"(?<![^ (/])(?!\.\.?/)[^ (/]+/\.\./")
IN_MODULE = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[(\w+)")
# A line of `objdump -h`, and the flags that follow it.
SECTION = re.compile(r"^ *\d+ (\S+) .*\n +(.*)$", re.M)
# Where Debian and rustup keep the source of Rust's own library.
RUST_LIBRARY = re.compile(r"/[^ ()]*/lib/rustlib/src/rust/library/")

# build-module.sh copies modules with paths that kbuild does not accept to here.
COPY = r"/[^ ()]*/copies/[0-9a-f]{12}/src/"


class Error(Exception):
    pass


def fold(lines: list[str]) -> list[str]:
    """The lines, with the repeated frames of a recursion only once."""
    folded = []
    start = 0
    while start < len(lines):
        length, times = 1, 1
        for size in range(1, CYCLE + 1):
            cycle = lines[start:start + size]
            if not all(FRAME.search(line) for line in cycle):
                break
            end = start + size
            while lines[end:end + size] == cycle:
                end += size
            if end - start > 2 * size:
                length, times = size, (end - start) // size
                break
        folded += lines[start:start + length]
        if times > 1:
            what = "this line" if length == 1 else "these %d lines" % length
            folded.append(" (%s %d times)" % (what, times))
        start += length * times
    return folded


class Decoder:
    """Prints each complaint once, and writes the output to the file `log`.

    modules: the modules of the guest, stripped, each in a directory of the one with debug information.
    home: the directory that a module of the user's is in.
    """

    def __init__(self, kernel: lab.Kernel, log: str, modules: list[str], home: str | None = None) -> None:
        self.kernel = kernel
        self.log = log
        self.modules = modules
        self.homes = [re.escape(os.path.realpath(path) + "/") for path in (home, lab.ROOT) if path]
        self.told: dict[tuple[str, tuple[str, ...]], str] = {}  # fingerprint -> where that was

    def tell(self, item: Splat, where: str) -> list[str]:
        """The lines to print about a splat that came in `where`."""
        if item.fingerprint in self.told:
            lines = ["kernel, in %s: as in %s above: %s" % (where, self.told[item.fingerprint], item.title)]
        else:
            self.told[item.fingerprint] = where
            lines = ["kernel, in %s:" % where, *(("  " + line).rstrip() for line in self._decoded(item))]
        with open(self.log, "a") as f:
            f.write("\n".join(lines) + "\n\n")
        return lines

    def _decoded(self, item: Splat) -> list[str]:
        lines = fold([line for line in item.text if not NOISE.match(line)])
        dropped = len(lines) - LENGTH
        del lines[LENGTH:]
        try:
            lines = self.decode(lines)
        except (Error, OSError, subprocess.SubprocessError) as e:
            lines.insert(0, "(not decoded: %s)" % str(e).replace("\n", " "))
        if dropped > 0:
            lines.append("(%d lines more in console.log)" % dropped)
        return lines

    def decode(self, lines: list[str]) -> list[str]:
        """The lines with file and line of each frame that has debug information."""
        decoded: dict[str, str] = {}
        source = os.path.realpath(os.path.join(self.kernel.build, "source"))
        if not os.path.isdir(source):
            source = os.path.realpath(self.kernel.build)
        script = os.path.join(source, "scripts", "decode_stacktrace.sh")
        if not os.path.exists(script):
            raise Error("there is no %s" % script)
        with tempfile.TemporaryDirectory() as modules:
            for name in sorted(set(IN_MODULE.findall("\n".join(lines)))):
                self._relocate(name, modules)
            # A frame has the address that is returned to, one after the call; RIP is where it happened.
            for options, chosen in ("", [line for line in lines if not RIP.match(line)]), (
                    "-R", [line for line in lines if RIP.match(line)]):
                if chosen:
                    command = ["bash", script, *options.split(), self.kernel.symbols, source, modules]
                    decoded.update(zip(chosen, self._run(command, chosen)))
        return [self._tidy(line, decoded[line], source) for line in lines]

    def _run(self, command: list[str], lines: list[str]) -> list[str]:
        # The script is to use binutils, which read what either compiler writes.
        env = {name: value for name, value in os.environ.items() if name != "LLVM"}
        env["LC_ALL"] = "C.UTF-8"
        env["CROSS_COMPILE"] = self.kernel.arch.cross
        run = subprocess.run(command, env=env, timeout=LIMIT, input="\n".join(lines) + "\n",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
        found = run.stdout.splitlines()
        if run.returncode != 0 or len(found) != len(lines):
            raise Error("decode_stacktrace.sh ended with status %d after %d of %d lines: %s" % (
                run.returncode, len(found), len(lines), run.stderr.strip()))
        return found

    def _tidy(self, old: str, new: str, source: str) -> str:
        if FRAME.search(old) and not LINE.search(new):
            return old
        new = re.sub("|".join([re.escape(source + "/"), COPY, *self.homes]), "", RUST_LIBRARY.sub("", DISCRIMINATOR.sub("", new)))
        while UP.search(new):
            new = UP.sub("", new)
        # The script drops the indentation of most lines.
        return old[:len(old) - len(old.lstrip(" "))] + new.lstrip()

    def _relocate(self, name: str, directory: str) -> None:
        """Put the module there, with a range of addresses for each section that has code."""
        path = whole(name, self.modules)
        if path is None:
            return
        # In a module each section begins at address 0, where addr2line would look into .text.
        moves = [word for n, section in enumerate(self._code_sections(path)) if section != ".text"
                 for word in ("--change-section-address", "%s=0x%x" % (section, (n + 1) << 28))]
        subprocess.run([self.kernel.arch.cross + "objcopy", *moves, path, os.path.join(directory, name + ".ko")],
                       stderr=subprocess.PIPE, check=True)

    def _code_sections(self, path: str) -> list[str]:
        run = subprocess.run([self.kernel.arch.cross + "objdump", "-h", path], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, check=True)
        return [name for name, flags in SECTION.findall(run.stdout) if "CODE" in flags.split(", ")]


def whole(name: str, modules: list[str]) -> str | None:
    """The module of that name with its debug information, or None. `modules` are stripped ones, the last counts."""
    for stripped in reversed(modules):
        if layout.module_name(stripped) == name:
            for top, dirs, items in os.walk(os.path.dirname(os.path.dirname(stripped))):
                dirs[:] = sorted(d for d in dirs if d != "stripped")
                for item in sorted(items):
                    if item == os.path.basename(stripped):
                        return os.path.join(top, item)
    return None


def command(kernel: lab.Kernel, args: argparse.Namespace, goal: str, *more: str) -> str:
    """The make command line that boots such a guest again."""
    words = ["make", goal, "KERNEL=" + kernel.name, *more]
    if args.smp != 2:
        words.append("SMP=%d" % args.smp)
    if args.mem is not None:
        words.append("MEM=%d" % args.mem)
    if args.boot:
        words.append("BOOT=" + shlex.quote(args.boot))
    chosen = ["%s=%s" % (name, shlex.quote(os.environ[name])) for name in ("FUZZ_SEED", "FUZZ_COUNT")
              if name in os.environ]
    return " ".join(chosen + words)
