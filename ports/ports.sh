#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: ports.sh NAME users|jobs
#
# Builds the C users of kernel threads in ports/ and what they were ported to, and has a guest
# with the kernel NAME give both the same work. With jobs, a guest whose clock counts instructions has jobs of
# two priorities wait for their turn; that leaves a plot. Prints KTAP, and ends as qemu/vm.py does.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# -eq 2 ] || die "usage: ports.sh NAME users|jobs"
name=$1
cd "$TOP" || exit 1
# Where qemu/vm.py looks for what a module was built to.
built=$TOP/build/ports/$2

# The users have switches, as their C originals.
if [ "$2" = users ] && ! grep -q '"bool" =>' "build/$name/kernel/source/rust/macros/module.rs" 2>/dev/null &&
	[ -e "build/$name/kernel/source/rust/macros/module.rs" ]; then
	echo 'KTAP version 1'
	echo '1..0 # SKIP modules in Rust have no parameters that are bool before linux 7.3'
	exit 4
fi

scripts/build-module.sh "$name" . "$built/build/$name" modules KTHREAD_PORTS="$2" || exit 1
if [ -z "$(ls "$built/build/$name/stripped")" ]; then
	echo 'KTAP version 1'
	echo '1..0 # SKIP the tree of this kernel is not here, only its headers'
	exit 4
fi
[ "$2" = jobs ] || exec qemu/vm.py --kernel "$name" --module "$built" --script ports/guest.sh

rm -rf "$built/out"
qemu/vm.py --kernel "$name" --module "$built" --out "$built/out" --count 1 --script ports/jobs.sh
status=$?
if [ -s "$built/out/waits" ]; then
	ports/plot.py "$built/out/waits" "$built/jobs.svg" && say "ports: how long jobs wait is drawn in $built/jobs.svg"
fi
exit $status
