#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: trace.sh NAME OUTDIR
#
# Traces one life of a kernel thread, and a work item of a kthread_worker, in a guest with
# the kernel NAME, checks that they went in the order of kernel/kthread.c, and draws
# them. In OUTDIR it leaves
#
#	trace.txt, trace.dat            the trace, for Perfetto and for KernelShark
#	lifecycle.svg, lifecycle.txt    the picture, and the same as text
#	lifecycle.html                  both, to point at: what each function does, and where it is
#
# Without trace-cmd (setup.sh --trace) there is no trace.dat.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# -eq 2 ] || die "usage: trace.sh NAME OUTDIR"
cd "$TOP" || exit 1
name=$1
out=$2
raw=$out/raw

rm -rf "$raw" "$out"/trace.* "$out"/lifecycle.*
mkdir -p "$raw" || exit 1

# A name that the kernel does not know at run time. Without CONFIG_RANDOMIZE_BASE
# the address is that of the build.
list=$(awk '$3 == "kthread_create_list" { print "0x" $1 }' "build/$name/kernel/System.map")
[ -n "$list" ] || die "build/$name/kernel/System.map has no kthread_create_list"
{
	echo '#!/bin/sh'
	echo "kthread_create_list=$list"
	echo "returns_to='$(arch "$(arch_of "$name")" RETURNS_TO)'"
	cat trace/guest.sh
} >"$raw/guest.sh"

say "trace: booting a guest to trace one life of a kernel thread"
qemu/vm.py --kernel "$name" --script "$raw/guest.sh" >"$raw/guest.tar" ||
	die "the guest did not trace, see above"
tar -C "$raw" -xf "$raw/guest.tar" || die "what the guest wrote is no archive: $raw/guest.tar"
cp "$raw/trace" "$out/trace.txt" || exit 1

trace/order.py "$out/trace.txt" || die "the trace is not in order, see above; it is in $out/trace.txt"
trace/picture.py "$out/trace.txt" "$(cat "$raw/release")" "$out/lifecycle.svg" "$out/lifecycle.txt" || exit 1
# A packaged kernel's tree may not be here: the links then lead to names.
source=build/$name/kernel/source
[ -f "$source/kernel/kthread.c" ] || source=build/$name/kernel
[ -f "$source/kernel/kthread.c" ] || source=
trace/page.py "$out/trace.txt" "$(cat "$raw/release")" "$out/lifecycle.html" ${source:+"$source"} || exit 1
if command -v trace-cmd >/dev/null; then
	{
		trace-cmd restore -c -t "$raw/tracing" -k "$raw/kallsyms" -o "$raw/head.dat" &&
			trace-cmd restore -i "$raw/head.dat" -o "$out/trace.dat" "$raw"/raw/cpu*
	} >"$raw/trace-cmd.log" 2>&1 || die "trace-cmd cannot make $out/trace.dat; the log: $raw/trace-cmd.log"
	# What reads the file has to find all that the text has.
	events=$(grep -vc '^#' "$out/trace.txt")
	read_back=$(trace-cmd report -i "$out/trace.dat" 2>>"$raw/trace-cmd.log" |
		grep -c '^ .*\[[0-9]*\] .*: [a-z_]*: ')
	[ "$read_back" -eq "$events" ] ||
		die "trace-cmd finds $read_back of $events events in $out/trace.dat; the log: $raw/trace-cmd.log"
fi
say "trace: the picture is $out/lifecycle.svg, the same as text $out/lifecycle.txt"
say "trace: to point at and to zoom, open $out/lifecycle.html in a browser"
say "trace: the trace is $out/trace.txt (the kernel's text, which https://ui.perfetto.dev reads)"
[ ! -f "$out/trace.dat" ] || say "trace: and $out/trace.dat (for KernelShark and trace-cmd report)"
