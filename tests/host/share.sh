#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the guest sees changes in a directory of the host, and writes to it only if
# that was requested. Needs the kernel that SHARE= builds.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

cd "$top" || exit 1
if ! name=$(SHARE=. CONFIG='' scripts/kernel-options.sh --name "$KERNEL" 2>/dev/null); then
	grep -q '^# Package: ' "qemu/config/$KERNEL.config" && ktap_skip_all "a packaged kernel has no such option"
	exit 1
fi
scripts/build-kernel.sh --is-built "$name" ||
	ktap_skip_all "the kernel for it is not built: make vm SHARE=. COMMAND=true KERNEL=$KERNEL does that"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# The name contains QEMU's option separators.
dir="$work/a, b=c"
mkdir -p "$dir/sub"
echo early >"$dir/sub/early"
echo secret >"$work/secret"
ln -s ../secret "$dir/up"
ln -s "$work/secret" "$dir/absolute"

# vm ARGUMENT...: sets $status; the output is in $work/out and $work/err.
vm()
{
	scripts/run.sh qemu/vm.py --kernel "$name" --module "$work/own" --share "$dir" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

show()
{
	ktap_diag "$(tail -n 20 "$work/out" "$work/err")"
}

ktap_plan 8
# The demo need not be built for this kernel.
mkdir "$work/own"
echo 'obj-m := own.o' >"$work/own/Kbuild"
echo '#include <linux/module.h>
MODULE_DESCRIPTION("made by a test");
MODULE_LICENSE("GPL");' >"$work/own/own.c"
scripts/build-module.sh "$name" "$work/own" "$work/own/build/$name" >"$work/out" 2>"$work/err" ||
	ktap_bail "the module could not be built: $(tail -n 3 "$work/err")"

# The guest asks, and gets an answer that is written later.
{
	until grep -q ready "$work/out"; do
		[ -d "$work" ] || exit
		sleep 0.1
	done
	echo late >"$dir/late.new"
	mv "$dir/late.new" "$dir/late"
} &
vm --limit 120 --command 'cat /share/sub/early; echo ready
until [ -e /share/late ]; do usleep 50000; done
cat /share/late
mount -o remount,rw /share
echo x >/share/new || echo "not written"
rm /share/sub/early || echo "not removed"
cat /share/up /share/absolute || echo "no way out"'
ktap_eq 'what is there, and what comes' "early
ready
late" "$(head -n 3 "$work/out")" || show
# The host has to refuse writes, as root in the guest is able to remount.
ktap_eq 'nothing is changed' "not written
not removed" "$(sed -n '4,5p' "$work/out")"
ktap_eq 'nor in the directory' "early" "$(cat "$dir/sub/early" "$dir/new" 2>/dev/null)"
ktap_eq 'no link leads out' 'no way out' "$(sed -n '6,$p' "$work/out")"

vm --share-rw --command 'cd /share && echo mine >new && mv sub/early sub/moved && mkdir -p d/e && chmod 600 new'
ktap_eq 'with SHARE_RW a guest writes' 0 $status || show
ktap_eq 'a file' mine "$(cat "$dir/new")"
ktap_eq 'another name' early "$(cat "$dir/sub/moved")"
ktap_eq 'as the user who started it' "$(id -u) 600" "$(stat -c '%u %a' "$dir/new")"
ktap_finished
