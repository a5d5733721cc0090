#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot the guest: run a script in it, open a shell in it, or let a debugger in."""

import argparse
import contextlib
import dataclasses
import glob
import hashlib
import os
import re
import shlex
import signal
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from qemu import (  # noqa: E402
    accel, decode, guest, initramfs, judge, junit, ktap, lab,
    layout, machine, options, outdir, output, splat, suite, verdict)
from qemu.verdict import SetupError  # noqa: E402

# Terminal codes: the main screen, and a visible cursor.
MAIN_SCREEN = "\033[?1049l\033[?25h\033[0m"
TOUR = os.path.join(lab.ROOT, lab.PROJECT["PROJECT_TOUR"])


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = verdict.Parser(prog="vm.py", description=__doc__)
    options.add(parser)
    parser.add_argument("--module", metavar="DIR",
                        help="your own module for modprobe in the guest, built in DIR/build/NAME")
    parser.add_argument("--program", metavar="FILE.c", action="append", default=[],
                        help="a program in C, compiled for the guest; may be repeated")
    parser.add_argument("--coverage", metavar="FILE",
                        help="use the module built by scripts/coverage.sh, and write its coverage to FILE")
    parser.add_argument("--limit", type=options.above_zero, default=600, metavar="SECONDS",
                        help="end the script after this time (default: 600)")
    parser.add_argument("--count", type=int, nargs="?", const=1, metavar="SEED",
                        help="count instructions: each takes %d ns of the guest's clock, on one CPU, and is the "
                             "same again with the same SEED (default: 1) of random numbers"
                             % machine.Counting.NS_PER_INSTRUCTION)
    parser.add_argument("--junit", metavar="FILE", help="write a report for CI systems to FILE")
    parser.add_argument("--share", metavar="DIR", help="a directory of the host, which the guest sees as /share")
    parser.add_argument("--share-rw", action="store_true", help="let the guest write to it")
    parser.add_argument("--out", metavar="DIR", help="a directory for the files that the script leaves in /out")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--script", metavar="FILE", help="run FILE as root and exit with its status, if nothing else is wrong")
    mode.add_argument("--command", metavar="TEXT", help="run TEXT as a script")
    mode.add_argument("--shell", action="store_true", help="an interactive shell")
    mode.add_argument("--console", metavar="PROGRAM",
                      help="like --shell, but with a program in place of the shell, such as one of --program")
    mode.add_argument("--gdb", action="store_true", help="like --shell, but wait for a debugger first")
    args = parser.parse_args(argv)
    if args.count is not None:
        args.smp = 1
    if (args.count or 0) < 0:
        parser.error("--count wants no negative number")
    for source in args.program:
        if not source.endswith(".c") or not os.path.isfile(source):
            parser.error("--program %s: there is no such file in C" % source)
    return args


class ScriptGuest(guest.Guest):
    """Shows the script's output as it comes."""

    coverage: output.Log | None = None
    out_status: str | None = None  # how the packing of /out ended
    out_size = 0

    def __init__(self, request: guest.Request, run_path: str, initrd: str, ports: list[str],
                 streams: dict[str, output.Stream]) -> None:
        self.streams = streams
        super().__init__(request, run_path, initrd, ports)

    def _forget(self) -> None:
        super()._forget()
        # Both streams may have KTAP, each of its own.
        self.ktap = {port: ktap.Parser() for port in self.ports if port in self.streams}

    def stream(self, port: str) -> output.Stream | None:
        return self.streams.get(port)

    def on_print(self, port: str, line: str) -> None:
        self.ktap[port].feed(line)

    def on_output(self, port: str, data: bytes) -> None:
        if self.coverage and port == "coverage":
            self.coverage.write(data)
            return
        # While it comes the guest is alive.
        self._until(guest.IDLE_LIMIT * self.factor)
        self.out_size += len(data)
        if self.out_size > self.out_limit() and self.process.poll() is None:
            self.process.kill()

    def on_status(self, words: list[str]) -> None:
        if words[0] == "out" and len(words) == 2:
            self.out_status = words[1]

    def out_limit(self) -> int:
        return self.request.mem << 20


def modules(kernel: lab.Kernel, args: argparse.Namespace) -> list[str]:
    """The modules for modprobe in the guest: those of the lab, and those of --module."""
    found = kernel.modules()
    if args.module:
        built = os.path.join(args.module, "build", ("coverage-" if args.coverage else "") + kernel.name, "stripped")
        own = sorted(glob.glob(os.path.join(glob.escape(built), "*.ko")))
        if not own:
            raise SetupError("--module %s: there is no module in %s" % (args.module, built))
        found += own
    if args.coverage:
        found += kernel.modules("coverage")
    return found


def read_script(args: argparse.Namespace, programs: list[str]) -> tuple[bytes, suite.Headers]:
    """The script, if the guest can run it, and what its header declares."""
    if args.script is None:
        return b"#!/bin/sh\n%s\n" % os.fsencode(args.command), suite.Headers("--command", "")
    path = args.script
    try:
        with open(path, "rb") as f:
            script = f.read()
    except OSError as e:
        raise SetupError("failed to read the script %s: %s" % (path, e.strerror)) from None
    if script.startswith(b"\x7fELF") and not initramfs.is_static(path):
        raise SetupError("%s is linked to shared libraries, and the guest has none: link it with -static" % path)
    first = script.split(b"\n", 1)[0].decode(errors="backslashreplace")
    if first.startswith("#!"):
        # Other interpreters may come from the user.
        found = re.match(r"#![ \t]*(/(?:usr/(?:local/)?)?s?bin/(\S*))(?:[ \t]+(\S+))?", first)
        lacks = found and not (found.group(1) in ("/bin/" + found.group(2), "/sbin/" + found.group(2)) and
                               found.group(2) in programs)
        if found and found.group(2) == "env" and not lacks and found.group(3) and not found.group(3).startswith("-"):
            lacks = found.group(3) not in programs
        if lacks or first.endswith("\r"):
            raise SetupError("%s begins with '%s', which the guest does not have: its programs are those of busybox, in "
                             "/bin; write '#!/bin/sh'" % (path, output.printable(first)))
    return script, suite.Headers(path, script.decode(errors="replace") if b"\0" not in script else "")


def judge_script(vm: ScriptGuest, headers: suite.Headers) -> tuple[judge.Facts, list[verdict.Failure], ktap.Result]:
    """The faults of the script, from judge.judge()."""
    first, second = vm.ktap.values()
    facts = judge.Facts("script", None, headers.expects, headers.allows, reports=False)
    for word, text in vm.facts.get("script", ()):
        facts.take(word, text)
    # Complaints from before the script are not covered by its declarations.
    markers = [n for n, line in enumerate(vm.console_lines) if splat.MARKER.search(line)]
    facts.console = vm.console_lines[markers[0]:] if markers else vm.console_lines
    facts.marked = len(markers) >= 2
    # Standard error is judged for its KTAP alone, as a second document.
    facts.ktap = first if first.used or not second.used else second
    failures, result = judge.judge(facts)
    if first.used and second.used:
        more = judge.Facts("script", reports=False)
        more.status, more.ktap = facts.status, second
        failures += [f for f in judge.judge(more)[0] if f.text not in [known.text for known in failures]]
    if markers:
        failures += [verdict.Failure("splat", "the kernel complained before the script: %s" % item.title, splat=item)
                     for item in splat.find(vm.console_lines[:markers[0]])]
    return facts, failures, result


def compile_programs(kernel: lab.Kernel, args: argparse.Namespace, run_dir: lab.RunDir) -> list[tuple[str, bytes]]:
    """The programs of --program, as pairs (name in the guest, bytes)."""
    found = []
    for source in args.program:
        name = os.path.basename(source)[:-2]
        program = run_dir.file(name)
        initramfs.compile_program(kernel.arch, source, program)
        with open(program, "rb") as f:
            found.append(("bin/" + name, f.read()))
    return found


def share_conf(args: argparse.Namespace) -> str:
    """The guest's configuration for a directory that it shares with the host."""
    return "share=%s\n" % ("rw" if args.share_rw else "ro") if args.share else ""


def take_out(out: outdir.OutDir, vm: ScriptGuest, run_dir: lab.RunDir) -> list[verdict.Failure]:
    """Unpack /out into its directory. Returns the failures."""
    if vm.out_size > vm.out_limit():
        reason = "it is larger than the guest's memory (is there a file with holes?)"
        return [verdict.Failure("out", "OUT: nothing from /out got to %s: %s" % (out.path, reason))]
    if vm.out_status != "0":
        reason = "tar ended with status " + vm.out_status if vm.out_status else "the guest ended before"
        return [verdict.Failure("out", "OUT: nothing from /out got to %s: %s" % (out.path, reason))]
    failure = out.fill(run_dir.file("out.tar"), vm.out_limit())
    for name, reason in out.left_out:
        output.say("# OUT: left out %s: %s" % (ascii(name), reason))
    if failure:
        return [failure]
    output.say("# OUT: %d file%s in %s" % (out.files, "" if out.files == 1 else "s", out.path))
    return []


def run_script(kernel: lab.Kernel, args: argparse.Namespace) -> int:
    guest.find_qemu(kernel.arch)
    programs = initramfs.applets() + initramfs.programs(kernel.arch)[1]
    script, headers = read_script(args, programs)
    tour = args.script is not None and os.path.samefile(args.script, TOUR)
    if args.junit:
        junit.check(args.junit)
    if not args.module:
        kernel.demo_module()
    out = outdir.OutDir(args.out) if args.out else None
    run_dir = lab.RunDir(kernel, "vm")
    counts = args.count is not None
    choice = machine.Counting(kernel.arch, args.count) if counts else accel.choose(kernel, run_dir)
    output.say("# accel: %s" % choice)
    initrd = run_dir.file("initrd")
    # The same for the same script, that the same boot comes of it.
    trailer = "end-" + hashlib.sha256(script).hexdigest()
    conf = "mode=script\nfactor=%d\ntrailer=%s\n" % (kernel.factor, trailer) + share_conf(args)
    ports = ["status", "stdout", "stderr"]
    append: list[str] = []
    if out:
        conf += "out=yes\n"
        ports.append("out")
    # A search for leaks takes seconds, so only do it for a user's module.
    if args.module and "\nCONFIG_DEBUG_KMEMLEAK=y\n" in kernel.config:
        conf += "leaks=yes\n"
        append.append("kmemleak=on")
    if args.coverage:
        conf += "coverage=yes\n"
        ports.append("coverage")
    initramfs.write(initrd, kernel, conf, modules=modules(kernel, args),
                    extra=[("script", script), *compile_programs(kernel, args, run_dir)])
    streams = {"stdout": output.Stream(1, "standard output"), "stderr": output.Stream(2, "standard error")}
    request = options.request(kernel, choice, args)
    request = dataclasses.replace(
        request, append=[*append, *headers.cmdline, *request.append],
        limit=headers.limit * kernel.factor if headers.limit else args.limit,
        boot_limit=60.0 if counts else request.boot_limit)
    vm = ScriptGuest(request, run_dir.path, initrd, ports, streams)
    vm.trailer = trailer.encode()
    if args.coverage:
        vm.coverage = output.Log(args.coverage)
    start = time.monotonic()
    vm.run()
    seconds = time.monotonic() - start
    for stream in streams.values():
        stream.drain()
    facts, failures, result = judge_script(vm, headers)
    if vm.failures:
        # A fault that broke the guest also ended the script.
        failures = vm.failures + [f for f in failures if f.splat and not (vm.last_words and "panic" in f.text)]
    if out:
        if vm.out_size > vm.out_limit():
            # That QEMU was killed follows from it.
            failures = [f for f in failures if f.kind != "qemu"]
            vm.failures = [f for f in vm.failures if f.kind != "qemu"]
        failures += take_out(out, vm, run_dir)
    failures = verdict.by_importance(failures)
    status = facts.status if isinstance(facts.status, int) and not vm.failures else None
    report_script(kernel, args, run_dir, splat.find(vm.console_lines), tour)
    if args.junit:
        junit.write(args.junit, [junit.Suite(os.path.basename(args.script or "command"), failures, result, seconds)])
    if output.lost:
        failures.append(verdict.Failure("output", "not all could be written (%s)" % "; ".join(output.lost)))
    # The last line tells of the script's own status, or else of the most important failure.
    rest = [f for f in failures if f.text != "it exited with %s" % status] if status else failures[1:]
    for failure in rest:
        output.say("# also: %s" % failure.text)
    if not failures:
        run_dir.passed()
    return tell_end(status, failures, run_dir)


def tell_end(status: int | None, failures: list[verdict.Failure], run_dir: lab.RunDir) -> int:
    """The last line, and the exit status."""
    if status:
        hint = {126: " (not executable)", 127: " (a command was not found: the guest has those of busybox)"}
        end = "the script exited with %d%s" % (status, hint.get(status, ""))
        code = status
    elif failures:
        end = failures[0].text
        if status == 0:
            end = "the script exited with 0, but " + end
        code = verdict.exit_code(failures)
        if failures[0].kind == "limit":
            end += " (LIMIT=SECONDS sets it)"
        end += " (status %d: %s)" % (code, failures[0].kind)
    else:
        end = "the script exited with 0"
        code = 0
    output.say("# %s; logs are in %s" % (end, run_dir))
    return code


def report_script(kernel: lab.Kernel, args: argparse.Namespace, run_dir: lab.RunDir, splats: list[splat.Splat],
                  tour: bool) -> None:
    """Print the kernel's complaints, and how to repeat them."""
    decoder = decode.Decoder(kernel, run_dir.file("splats.txt"), modules(kernel, args), args.module)
    if args.script is None:
        words = ["vm", "COMMAND=" + shlex.quote(args.command)]
    else:
        words = ["demo"] if tour else ["vm", "SCRIPT=" + shlex.quote(args.script)]
    if args.module:
        words.append("MODULE=" + shlex.quote(args.module))
    try:
        for item in splats:
            for line in decoder.tell(item, "the script" if item.test else "the boot"):
                output.say("# " + line)
    except OSError as e:
        output.lost.append("%s: %s" % (e.filename, e.strerror))
    if splats:
        output.say("# to repeat it: %s" % decode.command(kernel, args, *words))


GDB_HELP = """# The guest waits for a debugger on port %(port)s. In another terminal:
#   %(gdb)s -x %(script)s
# There `break %(function)s` or `break FILE.rs:LINE`, then `continue`, and here `modprobe %(module)s`.
"""


def gdb_script(kernel: lab.Kernel, path: str, port: str, files: list[str]) -> None:
    """Write a gdb script that loads the kernel and these modules, and connects."""
    lines = ["file %s" % gdb_word(kernel.symbols)]
    if "\nCONFIG_DEBUG_INFO=y\n" not in kernel.config:
        lines.append("add-symbol-file %s 0" % gdb_word(os.path.join(kernel.dir, "types", "kernel_types.ko")))
    lines += ["set breakpoint pending on", "target remote %s" % port,
              "source %s" % os.path.join(lab.ROOT, "qemu", "gdb.py"),
              "lab-modules %s %s" % (kernel.arch["ARGUMENT"], " ".join(map(gdb_word, files)))]
    scripts = os.path.join(kernel.build, "vmlinux-gdb.py")
    if os.path.exists(scripts):
        lines.append("source %s" % scripts)
    with open(path, "w") as f:
        f.write("".join("set confirm off\n%s\n" % "\n".join(lines) + "set confirm on\n"))


def gdb_word(path: str) -> str:
    return '"%s"' % re.sub(r'(["\\])', r"\\\1", path)


def run_interactive(kernel: lab.Kernel, args: argparse.Namespace) -> int:
    if not os.isatty(0):
        raise SetupError("there is no terminal for the guest: use --script or --command for a non-interactive run")
    run_dir = lab.RunDir(kernel, "vm")
    choice = accel.choose(kernel, run_dir)
    output.say("# accel: %s" % choice)
    initrd = run_dir.file("initrd")
    stripped = modules(kernel, args)
    module = layout.module_name(stripped[-1]) if args.module else lab.MODULE
    conf = "mode=shell\nmodule=%s\n" % module + ("console=%s\n" % shlex.quote(args.console) if args.console else "")
    initramfs.write(initrd, kernel, conf + share_conf(args), modules=stripped,
                    extra=compile_programs(kernel, args, run_dir))
    request = options.request(kernel, choice, args)
    if args.gdb:
        request = dataclasses.replace(request, append=["nokaslr", *request.append])
    qemu = [*request.qemu(initrd), "-serial", "mon:stdio"]
    if args.gdb:
        port = os.environ.get("GDB_PORT", "").lstrip(":") or "1234"
        # Access to this port gives control over the guest and its shared directory.
        qemu += ["-S", "-gdb", "tcp:localhost:" + port]
        script = run_dir.file("gdb")
        files = [path for path in (decode.whole(layout.module_name(item), stripped) for item in stripped) if path]
        gdb_script(kernel, script, ":" + port, files)
        debugger = "gdb" if kernel.arch.is_host else kernel.arch["GDB"]
        output.say(GDB_HELP.rstrip("\n") % {"port": port, "gdb": debugger, "script": shlex.quote(script),
                                            "module": module, "function": "init_module"})
    # The terminal belongs to the guest: Ctrl-C goes there, Ctrl-A X ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal = termios.tcgetattr(0)
    callers = guest.callers()
    process = guest.start(qemu)
    try:
        guest.wait_for_one([os.pidfd_open(process.pid), *callers], terminal=0)
        if process.poll() is None:
            output.say("\n# what started the guest has ended, and so does the guest")
    finally:
        guest.end(process)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, terminal)
        if args.console:
            # The program may have been on a screen of its own when the guest was ended.
            output.say(MAIN_SCREEN)
    status = process.returncode
    # Ctrl-A X gives 0, leaving the shell the code of the exit port.
    if status in (0, verdict.RC_PASS):
        output.say("\n# the guest has ended")
        return 0
    output.say("\n# QEMU ended with status %d" % status)
    return verdict.CODES["qemu"]


def main(args: argparse.Namespace) -> int:
    kernel = lab.Kernel(args.kernel)
    options.check(kernel, args)
    return run_script(kernel, args) if args.script or args.command is not None else run_interactive(kernel, args)


if __name__ == "__main__":
    sys.exit(verdict.run_main("vm.py", main, parse_args(sys.argv[1:])))
