#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: with the command that "make gdb MODULE=DIR" prints, gdb knows the functions,
# lines and variables of that module before its init runs.

top=$(cd "$(dirname "$0")/../.." && pwd)
KERNEL=${1:-${KERNEL:-fast}}
. "$top/tests/lib/ktap.sh"

# Debian's gdb only supports this machine's architecture.
gdb=gdb
name=${KERNEL%%+*}
case $name in
*@*) gdb=$(sed -n 's/^GDB=//p' "$top/qemu/arch/${name#*@}.conf") ;;
esac
"$gdb" -nx -batch -ex 'python print(1)' 2>/dev/null | grep -qx 1 || ktap_skip_all "there is no $gdb that has Python"

"$top/scripts/packaged-kernel.sh" --symbols "$KERNEL" 2>/dev/null ||
	ktap_skip_all "the symbols of this packaged kernel are not here: make gdb KERNEL=$KERNEL SYMBOLS=1 fetches them"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
own=$work/own
mkdir "$own"

echo 'obj-m := own_gdb.o' >"$own/Kbuild"
cat >"$own/own_gdb.c" <<'EOF'
// Made by a test.
#include <linux/init.h>
#include <linux/module.h>

static int in_data = 4711;
static int in_bss;
static const int in_rodata = 4712;

static noinline void in_text(const int *place)
{
	WRITE_ONCE(in_bss, READ_ONCE(*place) + 1);
	WRITE_ONCE(in_data, READ_ONCE(in_data) + in_bss);
}

static int __init own_init(void)
{
	in_text(&in_rodata);
	return 0;
}

static void __exit own_exit(void)
{
}

module_init(own_init);
module_exit(own_exit);
MODULE_DESCRIPTION("For gdb");
MODULE_LICENSE("GPL");
EOF

# saw NAME REGEX: gdb printed such a line.
saw()
{
	ktap_ok_if "$1" grep -Eq "$2" "$work/log" || ktap_diag "$(cat "$work/log")"
}

ktap_plan 6
# An interrupt while gdb steps over a breakpoint makes it hit again, so delete the first one.
# shellcheck disable=SC2016 # gdb expands them.
{
	"$top/scripts/build-module.sh" "$KERNEL" "$own" "$own/build/$KERNEL" &&
		"$top/scripts/build-module.sh" "$KERNEL" "$top/qemu/types" "$top/build/$KERNEL/types" &&
		python3 "$top/tests/host/gdb.py" "$KERNEL" "$own" own_gdb 'break own_init' 'break own_gdb.c:12' continue \
			'info symbol $pc' 'print *(int *)&in_data' 'delete 1' continue \
			'print *(int *)&in_rodata' 'print *(int *)&in_bss' backtrace kill
} >"$work/log" 2>&1
ktap_eq 'the guest and gdb' 0 $? || ktap_diag "$(cat "$work/log")"
# For arm64 gdb also stops at the linker's symbol, which has no line.
saw 'a break in the init function' \
	'Breakpoint 1(, .*(own_init|init_module) .*own_gdb\.c:1[5-8]|\.[0-9], 0x[0-9a-f]* in (own_init|init_module) )'
saw 'a variable in .data' '^.1 = 4711$'
saw 'a break at a line' 'Breakpoint 2, .*in_text .*own_gdb\.c:1[12]'
saw 'variables in .rodata and .bss' '^.2 = 4712$'
saw 'where it was called' '^#[1-9] .*do_one_initcall'
ktap_finished
