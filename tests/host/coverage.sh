#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: "make coverage MODULE=DIR" shows which lines ran, in Rust and in C, in any
# task.

top=$(cd "$(dirname "$0")/../.." && pwd)
KERNEL=${1:-${KERNEL:-fast}}
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
own=$work/own
mkdir "$own"

cat >"$own/Kbuild" <<'EOF'
obj-m := own_c.o own_rust.o
EOF
cat >"$own/own_c.c" <<'EOF'
// Made by a test.
#include <linux/kthread.h>
#include <linux/module.h>

static int which;
module_param(which, int, 0);
static struct task_struct *task;

static int body(void *data)
{
	if (READ_ONCE(which) == 1)
		pr_info("one\n"); /* in a thread */
	else
		pr_info("another\n"); /* not taken */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static noinline void never(void)
{
	if (READ_ONCE(which) != 7)
		pr_info("never\n"); /* not called */
}

static int __init own_init(void)
{
	if (READ_ONCE(which) == 2)
		never();
	if (READ_ONCE(which) != 7)
		pr_info("init\n"); /* in init */
	task = kthread_run(body, NULL, "own");
	return PTR_ERR_OR_ZERO(task);
}

static void __exit own_exit(void)
{
	if (READ_ONCE(which) != 7)
		pr_info("exit\n"); /* in exit */
	kthread_stop(task);
}

module_init(own_init);
module_exit(own_exit);
MODULE_DESCRIPTION("To be measured");
MODULE_LICENSE("GPL");
EOF
cat >"$own/own_rust.rs" <<'EOF'
// Made by a test.
//! To be measured.

use kernel::prelude::*;

module! {
    type: Measured,
    name: "own_rust",
    description: "To be measured",
    license: "GPL",
}

struct Measured(KVec<u8>);

impl kernel::Module for Measured {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut v = KVec::new();
        v.push(1, GFP_KERNEL)?; // in init of Rust
        Ok(Self(v))
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if self.0.len() > 1 {
            pr_info!("more\n"); // not taken in Rust
        }
        pr_info!("{}\n", self.0.len()); // in drop of Rust
    }
}
EOF
cat >"$work/script" <<'EOF'
#!/bin/sh
modprobe own_c which=1 || exit 1
until [ "$(cat /proc/[0-9]*/comm | grep -c '^own$')" = 1 ]; do :; done
until [ "$(cut -d ' ' -f 3 "/proc/$(grep -lx own /proc/[0-9]*/comm | cut -d / -f 3)/stat")" = S ]; do :; done
rmmod own_c && modprobe own_rust && rmmod own_rust
exit $?
EOF

# count FILE COMMENT: how often the line with that comment ran, as the report has it.
count()
{
	line=$(grep -n "/[/*] $2\( \*/\)*\$" "$own/$1" | cut -d : -f 1)
	awk -v file="SF:$own/$1" -v line="DA:$line," '$0 == file { on = 1 } /^end_of_record/ { on = 0 }
		on && index($0, line) == 1 { print substr($0, length(line) + 1) }' "$own/build/coverage-$KERNEL/coverage.info"
}

# in_c NAME EXPECTED COMMENT: the same for a line of C.
in_c()
{
	if grep -qx CONFIG_CC_IS_GCC=y "$top/build/$KERNEL/kernel/.config"; then
		ktap_eq "$1" "$2" "$(count own_c.c "$3")"
	else
		ktap_skip "$1" 'clang gives the block to another line'
	fi
}

ktap_plan 10
"$top/scripts/coverage.sh" "$KERNEL" "$own" "$work/script" >"$work/log" 2>&1
ktap_eq 'it is measured' 0 $? || ktap_diag "$(cat "$work/log")"
in_c 'a branch in a thread' 1 'in a thread'
in_c 'the other branch' 0 'not taken'
ktap_eq 'a function that nobody called' 0 "$(count own_c.c 'not called')"
in_c 'init' 1 'in init'
ktap_eq 'exit' 1 "$(count own_c.c 'in exit')"
ktap_eq 'init in Rust' 1 "$(count own_rust.rs 'in init of Rust')"
ktap_eq 'a branch in Rust' 0 "$(count own_rust.rs 'not taken in Rust')"
ktap_match 'what was not reached is told' '*own_c.c*not reached: *own_rust.rs*not reached: *' "$(cat "$work/log")"
echo true >"$work/script"
ktap_match 'a script that loads none of them' '1 *coverage.sh: no line of the modules in * ran: have * load them' \
	"$(
		"$top/scripts/coverage.sh" "$KERNEL" "$own" "$work/script" >"$work/log" 2>&1
		echo "$? $(cat "$work/log")"
	)"
ktap_finished
