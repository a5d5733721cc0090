#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot the guest: run a script in it, open a shell in it, or let a debugger in."""

import argparse
import glob
import os
import re
import shlex
import signal
import subprocess
import sys

import accel
import decode
import guest
import initramfs
import lab
import splat
import verdict
from verdict import SetupError

TOUR = os.path.join(lab.ROOT, "qemu", "tour.sh")


def parse_args(argv):
    parser = argparse.ArgumentParser(prog="vm.py", description=__doc__)
    parser.add_argument("--kernel", default="fast", metavar="NAME", help="a kernel in build/ (default: fast)")
    parser.add_argument("--smp", type=int, default=2, metavar="N", help="number of CPUs (default: 2)")
    parser.add_argument("--mem", type=int, metavar="MB", help="memory in MiB")
    parser.add_argument("--module", metavar="DIR",
                        help="a module of yours for modprobe in the guest, built in DIR/build/NAME")
    parser.add_argument("--coverage", metavar="FILE",
                        help="take the module built by scripts/coverage.sh, and write what of it ran to FILE")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS",
                        help="end the script after this time (default: 600)")
    parser.add_argument("--count", type=int, nargs="?", const=1, metavar="SEED",
                        help="count instructions: each takes %d ns of the guest's clock, on one CPU, and is the "
                             "same again with the same SEED (default: 1) of random numbers"
                             % accel.Counting.NS_PER_INSTRUCTION)
    parser.add_argument("--fail-on-splat", action="store_true",
                        help="fail if the kernel complained although the script did not")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--script", metavar="FILE", help="run FILE as root and exit with its status")
    mode.add_argument("--shell", action="store_true", help="an interactive shell")
    mode.add_argument("--gdb", action="store_true", help="like --shell, but wait for a debugger first")
    args = parser.parse_args(argv)
    if args.count is not None:
        args.smp = 1
    if args.smp < 1 or args.limit <= 0 or (args.mem is not None and args.mem < 64) or (args.count or 0) < 0:
        parser.error("--smp wants at least 1, --mem at least 64, --limit more than 0, --count no negative number")
    return args


class ScriptGuest(guest.Guest):
    """Shows the script's output as it comes and keeps its exit status."""

    status = None
    coverage = None  # a file

    def on_output(self, port, data):
        if port == "coverage":
            self.coverage.write(data)
            return
        stream = sys.stdout if port == "stdout" else sys.stderr
        stream.buffer.write(data)
        stream.buffer.flush()

    def on_status(self, words):
        if words[0] == "exit" and len(words) == 2 and words[1].isdigit():
            self.status = int(words[1])


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


def run_script(kernel, args):
    try:
        with open(args.script, "rb") as f:
            script = f.read()
    except OSError as e:
        raise SetupError("cannot read the script: %s" % e) from None
    kernel.demo_module()
    run_dir = lab.RunDir(kernel, "vm")
    counts = args.count is not None
    choice = accel.Counting(args.count) if counts else accel.choose(kernel, run_dir)
    print("# accel: %s" % choice, file=sys.stderr, flush=True)
    initrd = run_dir.file("initrd")
    # It takes seconds to look for leaks, which only who writes a module asked for.
    leaks = bool(args.module) and "\nCONFIG_DEBUG_KMEMLEAK=y\n" in kernel.config
    conf = "mode=script\nlimit=%g\nfactor=%d\nleaks=%s\ncoverage=%s\n" % (
        args.limit, kernel.factor, "yes" if leaks else "", "yes" if args.coverage else "")
    initramfs.write(initrd, kernel, conf, modules=modules(kernel, args), extra=[("script", script)])
    vm = ScriptGuest(kernel, choice, run_dir.path, initrd, ["status", "stdout", "stderr"] + ["coverage"] * bool(args.coverage),
                     smp=args.smp, mem=args.mem or kernel.mem, limit=args.limit,
                     boot_limit=60 if counts else None, append=["kmemleak=on"] if leaks else [])
    if args.coverage:
        vm.coverage = open(args.coverage, "wb", buffering=0)
    failures = vm.run()
    splats = splat.find(vm.console_lines)
    if not failures and vm.status is None:
        failures.append(verdict.Failure("status", "the exit status of the script was lost"))
    if failures:
        code = verdict.exit_code(failures)
        end = verdict.by_importance(failures)[0].text
    elif args.fail_on_splat and splats and vm.status == 0:
        code = verdict.CODES["splat"]
        end = "the script exited with 0, but the kernel complained"
    else:
        code = vm.status
        end = "the script exited with %d" % vm.status
    decoder = decode.Decoder(kernel, run_dir.file("splats.txt"), modules(kernel, args), args.module)
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
    run_dir = lab.RunDir(kernel, "vm")
    choice = accel.choose(kernel, run_dir)
    print("# accel: %s" % choice, file=sys.stderr, flush=True)
    initrd = run_dir.file("initrd")
    initramfs.write(initrd, kernel, "mode=shell\n", modules=modules(kernel, args))
    qemu = [guest.find_qemu(), *guest.machine_args(choice, args.smp, args.mem or kernel.mem),
            "-kernel", kernel.vmlinux, "-initrd", initrd,
            "-append", guest.command_line(kernel, choice, ["nokaslr"] if args.gdb else []),
            "-serial", "mon:stdio"]
    if args.gdb:
        port = os.environ.get("GDB_PORT", ":1234")
        qemu += ["-S", "-gdb", "tcp:" + port if port.startswith(":") else port]
        script = run_dir.file("gdb")
        stripped = modules(kernel, args)
        files = [path for path in (decode.whole(decode.module_name(item), stripped) for item in stripped) if path]
        gdb_script(kernel, script, port, files)
        name = decode.module_name(stripped[-1]) if args.module else "rust_kthread_demo"
        sys.stderr.write(GDB_HELP % {"port": port, "script": shlex.quote(script), "module": name,
                                     "function": "init_module"})
    # The terminal belongs to the guest: Ctrl-C goes there, Ctrl-A X ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = subprocess.call(qemu, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    # Ctrl-A X gives 0, leaving the shell the code of the exit port.
    if status in (0, verdict.RC_PASS):
        print("\n# the guest has ended", file=sys.stderr)
        return 0
    print("\n# QEMU ended with status %d" % status, file=sys.stderr)
    return verdict.CODES["qemu"]


def main(args):
    kernel = lab.Kernel(args.kernel)
    return run_script(kernel, args) if args.script else run_interactive(kernel, args)


if __name__ == "__main__":
    sys.exit(verdict.run_main("vm.py", main, parse_args(sys.argv[1:])))
