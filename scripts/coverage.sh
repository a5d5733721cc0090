#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: coverage.sh NAME DIR SCRIPT
#
# Builds the modules in DIR with instrumentation, runs SCRIPT in a guest with the kernel
# NAME, and prints which lines it reached. The status is that of the guest. The output is
# in DIR/build/coverage-NAME; coverage.info is for genhtml.

. "$(dirname "$0")/lib.sh"

[ $# -eq 3 ] || die "usage: coverage.sh NAME DIR SCRIPT"
name=$1
dir=$(cd "$2" && pwd -P) || exit 1
script=$3
out=$dir/build/coverage-$name
[ -f "$script" ] || die "there is no script '$script' to run in the guest: name one with SCRIPT="

"$TOP/scripts/build-module.sh" "$name" "$TOP/qemu/coverage" "$TOP/build/$name/coverage" || exit 1
"$TOP/scripts/build-module.sh" "$name" "$dir" "$out" coverage || exit 1
"$TOP/qemu/vm.py" --kernel "$name" ${SMP:+--smp "$SMP"} ${MEM:+--mem "$MEM"} ${BOOT:+--boot "$BOOT"} \
	--limit "${LIMIT:-1800}" --module "$dir" --coverage "$out/reached" \
	--script "$script"
status=$?
if [ ! -s "$out/reached" ]; then
	[ $status -ne 0 ] || die "no line of the modules in $dir ran: have $script load them"
	say "coverage: the guest ended before it reported what it reached"
	exit $status
fi
"$TOP/qemu/coverage.py" "$name" "$dir" "$out" "$out/reached" "$out/coverage.info" || exit 1
say "coverage: for HTML pages: genhtml -o '$out/html' '$out/coverage.info'"
exit $status
