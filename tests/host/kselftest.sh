#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the kernel's own kselftest_install installs the tests, from a
# copy of its directory of selftests that has a link to them.

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
source=$(readlink -f "$top/build/$KERNEL/kernel/source")
selftests=$source/tools/testing/selftests
collection=rust_kthread_demo

[ -f "$selftests/lib.mk" ] || ktap_skip_all "the kernel tree of $KERNEL has no selftests"
command -v rsync >/dev/null || ktap_skip_all 'kselftest_install needs rsync'

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/selftests" "$work/out"
ln -s "$selftests"/* "$work/selftests"
ln -s "$top/tests" "$work/selftests/$collection"
count=$(find "$top/tests" -maxdepth 1 -name '*.sh' | wc -l)

ktap_plan 4
(
	cd "$work/selftests" && make -s TARGETS="$collection" KSFT="$selftests" top_srcdir="$source" BUILD="$work/out" \
		KSFT_INSTALL_PATH="$work/installed" CC="${CC:-cc}" install
) >"$work/log" 2>&1
ktap_eq 'install' 0 $? || ktap_diag "$(cat "$work/log")"
ktap_eq 'all tests are in the list' "$count" "$(grep -c "^$collection:" "$work/installed/kselftest-list.txt")"
ktap_eq 'and in their directory' "$count" "$(find "$work/installed/$collection" -maxdepth 1 -name '*.sh' | wc -l)"
ktap_ok_if 'with library and programs' \
	[ -f "$work/installed/$collection/lib/ktap.sh" -a -x "$work/installed/$collection/write1" ]
ktap_finished
