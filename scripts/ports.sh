#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: ports.sh NAME
#
# Builds the C users of kernel threads in ports/ and what they were ported to, and has a guest
# with the kernel NAME give both the same work. Prints KTAP, and ends as qemu/vm.py does.

. "$(dirname "$0")/lib.sh"

name=${1:?usage: ports.sh NAME}
cd "$TOP" || exit 1
# Where qemu/vm.py looks for what a module was built to.
built=$TOP/build/ports

scripts/build-module.sh "$name" . "$built/build/$name" modules KTHREAD_PORTS=1 || exit 1
if [ -z "$(ls "$built/build/$name/stripped")" ]; then
	echo 'KTAP version 1'
	echo '1..0 # SKIP the tree of this kernel is not here, only its headers'
	exit 4
fi
exec qemu/vm.py --kernel "$name" --module "$built" --limit 100 --script ports/guest.sh
