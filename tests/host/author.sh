#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the lab does for a user's module what it does for its own: it decodes
# stacks, finds leaks, and tells editors about the crates.

top=$(cd "$(dirname "$0")/../.." && pwd)
KERNEL=${1:-${KERNEL:-fast}}
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
own=$work/own
mkdir -p "$own/rust"

cat >"$own/Kbuild" <<'EOF'
obj-m := own_c.o own_rust.o own_leaks.o
own_c-y := first.o second.o
own_rust-y := rust/oops.o
RUSTFLAGS_rust/oops.o := --cfg of_its_own
EOF
cat >"$own/first.c" <<'EOF'
// Made by a test.
#include <linux/init.h>
#include <linux/module.h>

int second(int *place);

static int __init first_init(void)
{
	return second(NULL) + 1;
}

static void __exit first_exit(void)
{
}

module_init(first_init);
module_exit(first_exit);
MODULE_DESCRIPTION("Broken on purpose");
MODULE_LICENSE("GPL");
EOF
cat >"$own/second.c" <<'EOF'
// Made by a test.
#include <linux/compiler.h>

int second(int *place);

noinline int second(int *place)
{
	WRITE_ONCE(*place, 1);
	return 0;
}
EOF
cat >"$own/rust/oops.rs" <<'EOF'
// Made by a test.
//! Broken on purpose.

use kernel::prelude::*;

module! {
    type: Oops,
    name: "own_rust",
    description: "Broken on purpose",
    license: "GPL",
}

struct Oops;

#[inline(never)]
fn writes(place: *mut u32) {
    // SAFETY: It is not.
    unsafe { place.write_volatile(1) }
}

impl kernel::Module for Oops {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        #[cfg(of_its_own)]
        writes(core::ptr::null_mut());
        Ok(Self)
    }
}
EOF
cat >"$own/own_leaks.c" <<'EOF'
// Made by a test.
#include <linux/module.h>
#include <linux/slab.h>

static void *lost;

static noinline void loses(void)
{
	int n;

	for (n = 0; n < 50; n++)
		WRITE_ONCE(lost, kmalloc(3000, GFP_KERNEL));
	WRITE_ONCE(lost, NULL);
}

static int __init leaks_init(void)
{
	loses();
	return 0;
}

static void __exit leaks_exit(void)
{
}

module_init(leaks_init);
module_exit(leaks_exit);
MODULE_DESCRIPTION("Broken on purpose");
MODULE_LICENSE("GPL");
EOF

# guest COMMAND...: runs it in a guest with these modules, with the output in $work/log.
guest()
{
	printf '#!/bin/sh\n%s\nexit 0\n' "$*" >"$work/script"
	chmod +x "$work/script"
	"$top/scripts/run.sh" "$top/qemu/vm.py" --kernel "$KERNEL" --module "$own" \
		--script "$work/script" >"$work/log" 2>&1
}

# told NAME REGEX: a line of the output matches.
told()
{
	ktap_ok_if "$1" grep -Eq "$2" "$work/log" || ktap_diag "$(cat "$work/log")"
}

# project EXPRESSION: the value of a Python expression on rust-project.json.
project()
{
	python3 -c "
import json, sys
crates = json.load(open(sys.argv[1] + '/rust-project.json'))['crates']
own = {c['display_name']: c for c in crates if c['root_module'].startswith(sys.argv[1] + '/')}
print($1)" "$own"
}

ktap_plan 10

"$top/scripts/build-module.sh" "$KERNEL" "$own" "$own/build/$KERNEL" >"$work/log" 2>&1
ktap_eq 'it builds' 0 $? || ktap_diag "$(cat "$work/log")"

guest 'modprobe own_c; modprobe own_rust'
ktap_eq 'an oops is a failure' 113 $?
told 'in C it is told with file and line' '^#  *(RIP|pc ?): .*second \(second\.c:8\) own_c'
told 'and so is the function that called it, in another section' '^#  *.*init.* \(first\.c:9\) own_c'
told 'in Rust, too' '^#  *(RIP|pc ?): .*(own_rust|oops)::writes \(.* rust/oops\.rs:18\) own_rust'

if grep -qx CONFIG_DEBUG_KMEMLEAK=y "$top/build/$KERNEL/kernel/.config"; then
	guest 'modprobe own_leaks'
	ktap_eq 'a leak is a failure' 113 $?
	told 'with file and line' '^#  *loses \(([^ ]* )*own_leaks\.c:1[0-9]\) own_leaks'
else
	ktap_skip 'a leak is a failure' "the kernel $KERNEL has no kmemleak"
	ktap_skip 'with file and line' "the kernel $KERNEL has no kmemleak"
fi

"$top/scripts/rust-analyzer.sh" "$KERNEL" "$own" >"$work/log" 2>&1
ktap_eq 'editors are told' 0 $? || ktap_diag "$(cat "$work/log")"
ktap_eq 'of each crate' oops "$(project '*own')"
ktap_eq 'with what rustc is called with' 'True True kernel' \
	"$(project "*(c in own['oops']['cfg'] for c in ('of_its_own', 'MODULE')), \
		*(crates[d['crate']]['display_name'] for d in own['oops']['deps'] if d['name'] == 'kernel')")"
ktap_finished
