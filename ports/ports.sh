#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: ports.sh NAME users|jobs
#
# Builds the C users of kernel threads in ports/ and their Rust ports, and runs both on the
# same inputs in a guest with the kernel NAME. With jobs, measures how long jobs of two
# priorities wait, in a guest whose clock counts instructions, and draws a plot. Prints
# KTAP, and exits like qemu/vm.py.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# -eq 2 ] || die "usage: ports.sh NAME users|jobs"
name=$1
cd "$TOP" || exit 1
# qemu/vm.py looks for modules here.
built=$TOP/build/ports/$2

# The ports have bool parameters, like their C originals.
if [ "$2" = users ] && ! grep -q '"bool" =>' "build/$name/kernel/source/rust/macros/module.rs" 2>/dev/null &&
	[ -e "build/$name/kernel/source/rust/macros/module.rs" ]; then
	echo 'KTAP version 1'
	echo '1..0 # SKIP Rust modules have no bool parameters before linux 7.3'
	exit 4
fi

scripts/build-module.sh "$name" . "$built/build/$name" modules KTHREAD_PORTS="$2" || exit 1
if [ -z "$(ls "$built/build/$name/stripped")" ]; then
	echo 'KTAP version 1'
	echo '1..0 # SKIP only the headers of this kernel are here, not its tree'
	exit 4
fi
[ "$2" = jobs ] || exec qemu/vm.py --kernel "$name" --module "$built" --script ports/guest.sh

rm -rf "$built/out"
qemu/vm.py --kernel "$name" --module "$built" --out "$built/out" --count 1 --script ports/jobs.sh
status=$?
if [ -s "$built/out/waits" ]; then
	ports/plot.py "$built/out/waits" "$built/jobs.svg" && say "ports: $built/jobs.svg shows how long jobs wait"
fi
exit $status
