#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot the guest: run a script in it, open a shell in it, or let a debugger in."""

import argparse
import glob
import os
import re
import shlex
import signal
import sys
import termios

import accel
import decode
import guest
import initramfs
import lab
import options
import outdir
import splat
import verdict
from verdict import SetupError

TOUR = os.path.join(lab.ROOT, "qemu", "tour.sh")


def parse_args(argv):
    parser = argparse.ArgumentParser(prog="vm.py", description=__doc__)
    options.add(parser)
    parser.add_argument("--module", metavar="DIR",
                        help="a module of yours for modprobe in the guest, built in DIR/build/NAME")
    parser.add_argument("--coverage", metavar="FILE",
                        help="take the module built by scripts/coverage.sh, and write what of it ran to FILE")
    parser.add_argument("--limit", type=options.above_zero, default=600, metavar="SECONDS",
                        help="end the script after this time (default: 600)")
    parser.add_argument("--count", type=int, nargs="?", const=1, metavar="SEED",
                        help="count instructions: each takes %d ns of the guest's clock, on one CPU, and is the "
                             "same again with the same SEED (default: 1) of random numbers"
                             % accel.Counting.NS_PER_INSTRUCTION)
    parser.add_argument("--fail-on-splat", action="store_true",
                        help="fail if the kernel complained although the script did not")
    parser.add_argument("--share", metavar="DIR", help="a directory of the host, which the guest sees in /share")
    parser.add_argument("--share-rw", action="store_true", help="let the guest write there")
    parser.add_argument("--out", metavar="DIR", help="a directory that gets what the script leaves in /out")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--script", metavar="FILE", help="run FILE as root and exit with its status")
    mode.add_argument("--command", metavar="TEXT", help="run TEXT as a script")
    mode.add_argument("--shell", action="store_true", help="an interactive shell")
    mode.add_argument("--gdb", action="store_true", help="like --shell, but wait for a debugger first")
    args = parser.parse_args(argv)
    if args.count is not None:
        args.smp = 1
    if (args.count or 0) < 0:
        parser.error("--count wants no negative number")
    return args


class ScriptGuest(guest.Guest):
    """Shows the script's output as it comes and keeps its exit status."""

    status = None
    coverage = None  # a file
    out_status = None  # how the packing of /out ended
    out_size = 0

    def on_output(self, port, data):
        if port == "out":
            self._on_out(len(data))
            return
        if port == "coverage":
            self.coverage.write(data)
            return
        stream = sys.stdout if port == "stdout" else sys.stderr
        stream.buffer.write(data)
        stream.buffer.flush()

    def on_status(self, words):
        if words[0] == "exit" and len(words) == 2 and words[1].isdigit():
            self.status = int(words[1])
        elif words[0] == "out" and len(words) == 2:
            self.out_status = words[1]

    def out_limit(self):
        return self.mem << 20

    def _on_out(self, size):
        # While it comes the guest is alive.
        self._until(guest.IDLE_LIMIT * self.factor)
        self.out_size += size
        if self.out_size > self.out_limit() and self.process.poll() is None:
            self.process.kill()


def modules(kernel, args):
    """What modprobe finds in the guest: the modules of the lab, and those that --module means."""
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


def script_of(args):
    if args.script is None:
        return "#!/bin/sh\n%s\n" % args.command
    try:
        with open(args.script, "rb") as f:
            return f.read()
    except OSError as e:
        raise SetupError("cannot read the script: %s" % e) from None


def share_conf(args):
    """What the guest has to know of a directory that it shares with the host."""
    return "share=%s\n" % ("rw" if args.share_rw else "ro") if args.share else ""


def take_out(out, vm, run_dir):
    """Put what came of /out into its directory. Returns what failed in that."""
    if vm.out_size > vm.out_limit():
        reason = "it is larger than the guest's memory (is there a file with holes?)"
        return [verdict.Failure("out", "nothing from /out got to %s: %s" % (out.path, reason))]
    if vm.out_status != "0":
        reason = "tar ended with status " + vm.out_status if vm.out_status else "the guest ended before"
        return [verdict.Failure("out", "nothing from /out got to %s: %s" % (out.path, reason))]
    failure = out.fill(run_dir.file("out.tar"), vm.out_limit())
    for name, reason in out.left_out:
        print("# OUT: left out %s: %s" % (ascii(name), reason), file=sys.stderr)
    if failure:
        return [failure]
    print("# OUT: %d file%s in %s" % (out.files, "" if out.files == 1 else "s", out.path), file=sys.stderr)
    return []


def run_script(kernel, args):
    script = script_of(args)
    kernel.demo_module()
    out = args.out and outdir.OutDir(args.out)
    run_dir = lab.RunDir(kernel, "vm")
    counts = args.count is not None
    choice = accel.Counting(args.count) if counts else accel.choose(kernel, run_dir)
    print("# accel: %s" % choice, file=sys.stderr, flush=True)
    initrd = run_dir.file("initrd")
    conf = "mode=script\nlimit=%d\nfactor=%d\n" % (args.limit, kernel.factor) + share_conf(args)
    ports = ["status", "stdout", "stderr"]
    append = []
    if out:
        conf += "out=yes\n"
        ports.append("out")
    # It takes seconds to look for leaks, which only who writes a module asked for.
    if args.module and "\nCONFIG_DEBUG_KMEMLEAK=y\n" in kernel.config:
        conf += "leaks=yes\n"
        append.append("kmemleak=on")
    if args.coverage:
        conf += "coverage=yes\n"
        ports.append("coverage")
    initramfs.write(initrd, kernel, conf, modules=modules(kernel, args), extra=[("script", script)])
    vm = ScriptGuest(kernel, choice, run_dir.path, initrd, ports,
                     smp=args.smp, mem=args.mem or kernel.mem, append=append + args.boot.split(), limit=args.limit,
                     devices=guest.share_devices(args.share, args.share_rw) if args.share else [],
                     boot_limit=60 if counts else None)
    if args.coverage:
        vm.coverage = open(args.coverage, "wb", buffering=0)
    failures = vm.run()
    splats = splat.find(vm.console_lines)
    if out:
        lost = take_out(out, vm, run_dir)
        if vm.out_size > vm.out_limit():
            # That QEMU was killed follows from it.
            failures = [f for f in failures if f.kind != "qemu"]
        failures += lost
        for failure in lost:
            print("# OUT: %s" % failure.text, file=sys.stderr)
    if not failures and vm.status is None:
        failures.append(verdict.Failure("status", "the exit status of the script was lost"))
    if failures:
        code = verdict.exit_code(failures)
        end = verdict.by_importance(failures)[0].text
        if code == verdict.CODES["limit"]:
            end += " (LIMIT=SECONDS sets it)"
    elif args.fail_on_splat and splats and vm.status == 0:
        code = verdict.CODES["splat"]
        end = "the script exited with 0, but the kernel complained"
    else:
        code = vm.status
        end = "the script exited with %d" % vm.status
    decoder = decode.Decoder(kernel, run_dir.file("splats.txt"), modules(kernel, args), args.module)
    if args.script is None:
        words = ["vm", "COMMAND=" + shlex.quote(args.command)]
    else:
        words = ["demo"] if os.path.samefile(args.script, TOUR) else ["vm", "SCRIPT=" + shlex.quote(args.script)]
    if args.module:
        words.append("MODULE=" + shlex.quote(args.module))
    for item in splats:
        for line in decoder.tell(item, "the script" if item.test else "the boot"):
            print("# " + line, file=sys.stderr)
    if splats:
        print("# to repeat it: %s" % decode.command(kernel, args, *words), file=sys.stderr)
    print("# %s; logs are in %s" % (end, run_dir), file=sys.stderr)
    return code


GDB_HELP = """# The guest waits for a debugger on port %(port)s. In another terminal:
#   gdb -x %(script)s
# There `break %(function)s` or `break FILE.rs:LINE`, then `continue`, and here `modprobe %(module)s`.
"""


def gdb_script(kernel, path, port, files):
    """Write what makes gdb know the kernel and these modules, and connects it."""
    lines = ["file %s" % gdb_word(kernel.vmlinux)]
    if "\nCONFIG_DEBUG_INFO=y\n" not in kernel.config:
        lines.append("add-symbol-file %s 0" % gdb_word(os.path.join(kernel.dir, "types", "kernel_types.ko")))
    lines += ["set breakpoint pending on", "target remote %s" % port,
              "source %s" % os.path.join(lab.ROOT, "qemu", "gdb.py"),
              "lab-modules %s" % " ".join(map(gdb_word, files))]
    scripts = os.path.join(kernel.build, "vmlinux-gdb.py")
    if os.path.exists(scripts):
        lines.append("source %s" % scripts)
    with open(path, "w") as f:
        f.write("".join("set confirm off\n%s\n" % "\n".join(lines) + "set confirm on\n"))


def gdb_word(path):
    return '"%s"' % re.sub(r'(["\\])', r"\\\1", path)


def run_interactive(kernel, args):
    if not os.isatty(0):
        raise SetupError("there is no terminal for the guest's shell: use --script or --command for what runs by itself")
    run_dir = lab.RunDir(kernel, "vm")
    choice = accel.choose(kernel, run_dir)
    print("# accel: %s" % choice, file=sys.stderr, flush=True)
    initrd = run_dir.file("initrd")
    initramfs.write(initrd, kernel, "mode=shell\n" + share_conf(args), modules=modules(kernel, args))
    append = (["nokaslr"] if args.gdb else []) + args.boot.split()
    qemu = [guest.find_qemu(), *guest.machine_args(choice, args.smp, args.mem or kernel.mem),
            "-kernel", kernel.vmlinux, "-initrd", initrd,
            "-append", guest.command_line(kernel, choice, append),
            "-serial", "mon:stdio"]
    if args.share:
        qemu += guest.share_devices(args.share, args.share_rw)
    if args.gdb:
        port = os.environ.get("GDB_PORT", "").lstrip(":") or "1234"
        # Whoever reaches that port rules the guest, and reads what it shares.
        qemu += ["-S", "-gdb", "tcp:localhost:" + port]
        script = run_dir.file("gdb")
        stripped = modules(kernel, args)
        files = [path for path in (decode.whole(decode.module_name(item), stripped) for item in stripped) if path]
        gdb_script(kernel, script, ":" + port, files)
        name = decode.module_name(stripped[-1]) if args.module else "rust_kthread_demo"
        sys.stderr.write(GDB_HELP % {"port": port, "script": shlex.quote(script), "module": name,
                                     "function": "init_module"})
    # The terminal belongs to the guest: Ctrl-C goes there, Ctrl-A X ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal = termios.tcgetattr(0)
    callers = guest.callers()
    process = guest.start(qemu)
    try:
        guest.wait_for_one([os.pidfd_open(process.pid), *callers])
        if process.poll() is None:
            print("\n# what started the guest has ended, and so does the guest", file=sys.stderr)
    finally:
        guest.end(process)
        termios.tcsetattr(0, termios.TCSANOW, terminal)
    status = process.returncode
    # Ctrl-A X gives 0, leaving the shell the code of the exit port.
    if status in (0, verdict.RC_PASS):
        print("\n# the guest has ended", file=sys.stderr)
        return 0
    print("\n# QEMU ended with status %d" % status, file=sys.stderr)
    return verdict.CODES["qemu"]


def main(args):
    kernel = lab.Kernel(args.kernel)
    options.check(kernel, args)
    return run_interactive(kernel, args) if args.shell or args.gdb else run_script(kernel, args)


if __name__ == "__main__":
    sys.exit(verdict.run_main("vm.py", main, parse_args(sys.argv[1:])))
