#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: help.sh

. "$(dirname "$0")/lib.sh"

cat <<EOF
To see kernel threads:
  make demo             everything from nothing: set-up, kernel, module, then a
                        guided tour of the life of kernel threads in a guest
  make shell            the same guest, interactive
  make watch            the workers of the demo in a table that moves, and keys to drive them
  make trace            traces one life of a kernel thread, and draws it
  make compare          a process, threads and a kernel thread side by side: what
                        each is and shares, as found out in a guest
  make ports            C users of kernel threads, and the same in Rust, at the same work
  make bench            what threads cost in Rust and in C, in instructions

For a module of yours:
  make new-module NAME=NAME [DIR=..]
                        begins one in DIR/NAME, from a sample, and runs its test
  make vm SCRIPT=FILE   boots, runs FILE as root, and judges it as the tests are:
                        status, KTAP, complaints, counters, what is left behind
  make vm COMMAND='...' the same with a line for the guest's shell
  scripts/vm.sh --script FILE
                        the same, and exits with the status of FILE, or one that
                        docs/lab.md explains; --help tells the other options
  make vm MODULE=DIR    (as shell, gdb and rust-analyzer) does it for the module in DIR
  make gdb              the guest waits for a debugger; prints how to attach
  make coverage MODULE=DIR
                        runs DIR/test.sh (or SCRIPT) and tells which lines it reached;
                        without MODULE all tests of the lab
  make rust-analyzer    writes rust-project.json for editors
  make rustdoc          the documentation of kthread/, as the kernel builds its own

For a kernel of yours:
  make [KDIR=DIR]       builds the module against it
  make metadata KDIR=DIR
                        gets what Debian's headers lack for it (see docs/stock.md)
  make modules_install  installs that (INSTALL_MOD_PATH as in every module)

To change this project (see CONTRIBUTING.md):
  make test             all tests, ends with "N passed, N failed, N skipped"
  make test-all         the tests on every kernel and architecture, and on the other release of Debian
  make test-distro SUITE=bookworm|trixie
                        "make demo" and "make test" in a bare Debian of that release
  make soak MINUTES=N   random commands, CPU hotplug, loads and unloads at once; a storm
  make lint             format, clippy, shellcheck, checkpatch, codespell, .editorconfig
  make proofs           each ordering that kthread/ and demo/ rely on, proved by the kernel's
                        memory model, and shown to need each of its barriers
  make model            kthread/ on a model of the kernel, in all interleavings of two or three
                        parties with few preemptions, and in many others

For kernel developers:
  make patches          the series for the kernel tree, in build/patches
  make kunit            the KUnit suites as in the kernel tree: built into User-Mode Linux,
                        run by its kunit.py, natively
  make check-patches [BUILDS='um ...']
                        compiles each prefix of it for several architectures; clippy, rustdoc
  make build-matrix [BUILDS='um ...']
                        compiles the whole for many configurations, compilers, architectures
  make upstream [BUG=NAME]
                        bugs of the kernel that were met here: happens on the kernel
                        as it is, and not on one with the patches of upstream/

For this machine:
  make doctor           what is missing or wrong here and with KDIR
  make clean            removes build/ (the cache stays)
  make cache [PRUNE=DAYS|all|NAME]
                        what is in the cache; removes what was not used for so long

Variables:
  ARCH=NAME             the architecture of the guest, for all that boots one: one of
                        $(archs) (that of this machine by default)
  KERNEL=NAME           one of: $(cd "$TOP/qemu/config" && printf '%s ' *.config | sed 's/\.config//g')(fast by default)
  CONFIG="CONFIG_X=y"   other options of that kernel: one of its own
  KERNEL_SRC=DIR        a linux tree ($MIN_KERNEL or newer) instead of the distribution's
  KDIR=DIR              a kernel build for "make" alone
  SMP=N MEM=SIZE        CPUs and memory of the guest (MiB, or with K, M or G)
  BOOT='WORDS'          more words for the kernel's command line
  LIMIT=SECONDS         when to end the guest of "make vm" (600 by default)
  OUT=DIR               where "make vm" puts what the guest leaves in /out
  SHARE=DIR             (vm, shell, gdb) a directory of the host, in the guest /share;
                        with SHARE_RW=1 the guest can write there
  GDB_PORT=N            where "make gdb" waits (1234 by default)
  SYMBOLS=1             for "make gdb": fetches those of a packaged kernel, 1 GB or more
  TESTS=GLOB            only the tests whose name matches
  JUNIT=FILE            "make test" and "make vm" write a report for CI there, too
  SEED=N                other random numbers in the guest of "make bench"
  WITH='WORD...'        for test-distro: user, german, hostile, slow, fresh, stock, quick (see docs/lab.md)
  LLVM RUSTC BINDGEN LIBCLANG_PATH
                        tools to take rather than those that "make doctor" shows
  V=1                   what the builds print goes to the terminal

The kernel tree and the kernels are in the cache, shared by all checkouts:
  $CACHE
EOF
