#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: compare.sh NAME OUTDIR
#
# Has a guest with the kernel NAME make a process, threads and a kernel thread, and
# leaves a table of what each of them is and shares in OUTDIR/table.txt and table.md.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# -eq 2 ] || die "usage: compare.sh NAME OUTDIR"
cd "$TOP" || exit 1
name=$1
out=$2

mkdir -p "$out" || exit 1
rm -f "$out"/table.* "$out/cells"
say "compare: booting a guest that makes processes and threads"
qemu/vm.py --kernel "$name" --script compare/guest.sh >"$out/cells" ||
	die "the guest did not find it all out, see above; what it found is in $out/cells"
compare/table.py "$out/cells" "$out/table.txt" "$out/table.md" || exit 1
cat "$out/table.txt"
say "compare: the table is in $out/table.txt and $out/table.md"
