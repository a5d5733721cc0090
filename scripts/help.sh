#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: help.sh

. "$(dirname "$0")/lib.sh"

cat <<EOF
To see kernel threads:
  make demo             everything from scratch: set-up, kernel, module, then a
                        guided tour of the life of kernel threads in a guest
  make shell            a shell in the same guest
  make watch            a live table of the demo's workers, and keys to drive them
  make trace            traces the life of a kernel thread, and draws it
  make compare          a process, threads and a kernel thread side by side: what
                        each is and shares, measured in a guest
  make ports            C users of kernel threads and their Rust ports, on the same inputs
  make bench            what threads cost in Rust and in C, in instructions

For your own module:
  make new-module NAME=NAME [DIR=..]
                        creates one in DIR/NAME from a sample, and runs its test
  make vm SCRIPT=FILE   boots, runs FILE as root, and judges it like a test:
                        status, KTAP, complaints, counters, leftovers
  make vm COMMAND='...' the same with a command line for the guest's shell
  scripts/vm.sh --script FILE
                        the same, and exits with the status of FILE, or one that
                        docs/lab.md explains; --help lists the options
  make vm MODULE=DIR    (also shell, gdb, rust-analyzer) uses the module in DIR
  make gdb              starts a guest that waits for a debugger; prints how to attach
  make coverage MODULE=DIR
                        runs DIR/test.sh (or SCRIPT) and shows which lines it reached;
                        without MODULE, all tests of the lab
  make rust-analyzer    writes rust-project.json for editors
  make rustdoc          builds the documentation of kthread/ the way the kernel does

For your own kernel:
  make [KDIR=DIR]       builds the module against the kernel in DIR
  make metadata KDIR=DIR
                        gets the files that Debian's headers lack (see docs/stock.md)
  make modules_install  installs it (takes INSTALL_MOD_PATH as any module does)

To change this project (see CONTRIBUTING.md):
  make test             all tests, ends with "N passed, N failed, N skipped"
  make test-all         the tests on every kernel and architecture, and on the other Debian release
  make test-distro SUITE=bookworm|trixie
                        "make demo" and "make test" in a bare Debian of that release
  make soak MINUTES=N   random commands, CPU hotplug, loads and unloads at once; a storm of API calls
  make lint             format, clippy, shellcheck, shfmt, mypy, flake8, checkpatch,
                        codespell, .editorconfig
  make proofs           proves each ordering that kthread/ and demo/ rely on with the kernel's
                        memory model, and that each barrier is needed
  make model            runs kthread/ on a model of the kernel, in all interleavings of two or
                        three parties with few preemptions, and in many others
  make mutants [SAMPLE=N SEED=N] [MUTANT=PATTERN,...] [KERNEL=debug]
                        makes small changes of the code, one at a time, and lists those that no
                        test notices, also on that kernel with KERNEL=debug

For kernel developers:
  make patches          writes the series for the kernel tree to build/patches
  make kunit            the KUnit suites as in the kernel tree: built into User-Mode Linux,
                        and run natively by kunit.py
  make check-patches [BUILDS='um ...']
                        compiles each prefix of the series for several architectures; clippy, rustdoc
  make build-matrix [BUILDS='um ...']
                        compiles the whole series for many configurations, compilers, architectures
  make upstream [BUG=NAME]
                        reproduces the kernel bugs found here, and shows that they are gone
                        with the patches of upstream/

For this machine:
  make doctor           shows what is missing or wrong here and with KDIR
  make clean            removes build/ (the cache stays)
  make cache [PRUNE=DAYS|all|NAME]
                        lists the cache, or removes entries: those unused for DAYS
                        days, all, or NAME

Variables:
  ARCH=NAME             the architecture of the guest: one of
                        $(archs) (default: that of this machine)
  KERNEL=NAME           one of: $(cd "$TOP/qemu/config" && printf '%s ' *.config | sed 's/\.config//g')(fast by default)
  CONFIG="CONFIG_X=y"   more options for that kernel: builds a separate one
  KERNEL_SRC=DIR        a linux tree ($MIN_KERNEL or newer) instead of the distribution's
  KDIR=DIR              a kernel build, for plain "make"
  SMP=N MEM=SIZE        CPUs and memory of the guest (in MiB, or with K, M or G)
  BOOT='WORDS'          more words for the kernel's command line
  LIMIT=SECONDS         when to kill the guest of "make vm" (600 by default)
  OUT=DIR               where "make vm" puts the files that the guest leaves in /out
  SHARE=DIR             (vm, shell, gdb) a directory of the host, in the guest at /share;
                        with SHARE_RW=1 the guest can write to it
  GDB_PORT=N            where "make gdb" waits (1234 by default)
  SYMBOLS=1             for "make gdb": fetches the symbols of a packaged kernel, 1 GB or more
  TESTS=GLOB            only the tests whose name matches; "guest" for all tests in the guest
  JUNIT=FILE            "make test" and "make vm" also write a report for CI to FILE
  SEED=N                other random numbers in the guest of "make bench"
  WITH='WORD...'        for test-distro: user, german, hostile, slow, fresh, stock, quick (see docs/lab.md)
  LLVM RUSTC BINDGEN LIBCLANG_PATH
                        tools to use instead of those that "make doctor" shows
  V=1                   shows the output of the builds

The kernel tree and the kernels are in the cache, which all checkouts share:
  $CACHE
EOF
