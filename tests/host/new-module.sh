#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: scripts/new-module.sh creates a module that builds and whose test passes
# in the guest, or nothing at all.

top=$(cd "$(dirname "$0")/../.." && pwd)
KERNEL=${1:-${KERNEL:-fast}}
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
log=$work/log
mkdir "$work/place"

# refused NAME DIR WORDS: nothing is created, and one line gives the reason.
refused()
{
	said=$("$top/scripts/new-module.sh" "$1" "$2" 2>&1)
	said="$? $(printf '%s\n' "$said" | grep -c '') $said $(ls -A "$work/place")"
	ktap_match "refused: '$1'" "1 1 *$3* " "$said"
}

# run COMMAND...: hides the command's output from the harness.
run()
{
	"$@" >"$log" 2>&1
}

show()
{
	ktap_diag "$(cat "$log")"
}

ktap_plan 35

refused '' "$work/place" 'NAME is missing'
refused foo-bar "$work/place" 'is not a name for a module'
refused Foo "$work/place" 'is not a name for a module'
refused 1st "$work/place" 'is not a name for a module'
refused ../foo "$work/place" 'is not a name for a module'
refused 'foo bar' "$work/place" 'is not a name for a module'
refused "$(printf '%056d' 0 | tr 0 a)" "$work/place" 'is too long'
for name in kernel ffi compiler_builtins zerocopy; do
	refused $name "$work/place" 'is the name of a crate'
done
refused self "$work/place" 'is a word of Rust'
refused vmlinux "$work/place" 'is the name of the kernel'
refused kthread "$work/place" 'is the name of something of the lab'
# One from modules.builtin, with a dash there, and one that only has parameters.
one=$(sed -n 's|.*/\([a-z0-9_]*\)\.ko$|\1|p' "$top/build/$KERNEL/kernel/modules.builtin" | head -n 1)
for name in "${one:-configs}" virtio_ring printk workqueue; do
	refused "$name" "$work/place" 'is built into the kernel'
done
refused foo "$work/none" 'there is no directory'

said=$("$top/scripts/new-module.sh" --check foo "$work/place")
ktap_eq 'one may ask first' '0 ' "$? $said$(ls -A "$work/place")"
run "$top/scripts/new-module.sh" foo "$work/place"
ktap_eq 'made' 0 $? || show
ktap_eq 'nothing but its directory' foo "$(ls -A "$work/place")"
run diff -r "$top/kthread" "$work/place/foo/kthread"
ktap_eq 'it has the API, and its README' 0 $? || show
run diff "$top/COPYING" "$work/place/foo"
ktap_eq 'and its licence' 0 $? || show
said=$("$top/scripts/new-module.sh" foo "$work/place" 2>&1)
ktap_match 'there is no second one' '1 *foo is there already*' "$? $said"

# The calls of its Makefile to the lab.
mkdir "$work/a lab"
# shellcheck disable=SC2016 # make expands it.
printf 'vm shell modules:\n\t@echo "$@ $(MODULE) $(SCRIPT)$(KDIR)"\n' >"$work/a lab/Makefile"

# asks TARGET...: the call to the lab for these targets.
asks()
{
	make -s -C "$work/place/foo" "$@" LAB="$work/a lab" 2>&1
}

ktap_eq 'make test is up to the lab' "vm $work/place/foo $work/place/foo/test.sh" "$(asks test)"
ktap_eq 'make shell, too' "shell $work/place/foo " "$(asks shell)"
ktap_eq 'a script is found from there' "vm $work/place/foo $work/place/foo/a test.sh" "$(asks vm SCRIPT='a test.sh')"
ktap_eq 'and so is a kernel' "modules $work/place/foo $work/place/bar" "$(asks modules KDIR=../bar)"
# shellcheck disable=SC2016
printf 'modules_install:\n\t@echo "$(INSTALL_MOD_PATH)"\n' >>"$work/a lab/Makefile"
ktap_eq 'and where to install' "$work/place/foo/root" "$(asks modules_install INSTALL_MOD_PATH=root | tail -n 1)"
said=$(make -s -C "$work/place/foo" test LAB="$work/none" 2>&1)
ktap_match 'a lab that has moved is told of in one line' "2 1 the lab is not at '$work/none'*" \
	"$? $(printf '%s\n' "$said" | grep -vc '^make') $said"
said=$(make -s -C "$work/place/foo" KDIR="$work/none" 2>&1)
ktap_match 'a kernel that is not there, too' "2 1 *KDIR=$work/none does not exist*" \
	"$? $(printf '%s\n' "$said" | grep -vc '^make') $said"
mkdir -p "$work/place/foo/build"
run make -C "$work/place/foo" clean KDIR="$work/none"
ktap_eq 'it can be cleaned without a kernel' '0 no' "$? $([ -e "$work/place/foo/build" ] && echo yes || echo no)"
run "$top/scripts/build-module.sh" "$KERNEL" "$work/place/foo" "$work/place/foo/build/$KERNEL"
ktap_eq 'it builds' 0 $? || show
run "$top/qemu/vm.py" --kernel "$KERNEL" --module "$work/place/foo" \
	--script "$work/place/foo/test.sh"
ktap_eq 'its test holds in the guest' 0 $? || show
ktap_finished
