#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: each example in the documentation of kthread/, in docs/ and in the README
# compiles. In the kernel tree those of kthread/ run as KUnit tests, which a module does not
# support. An example that begins with threaded_module! is a complete module.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/lib/compile.sh
. "$top/tests/lib/compile.sh"

compile_api

cat >"$work/uses" <<'EOF'
use api::kthread::{self, *};
use kernel::{
    bindings,
    cpu::CpuId,
    cpumask::{Cpumask, CpumaskVar},
    device::{Bound, Core, Device},
    fmt,
    mm::MmWithUser,
    platform,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Mutex, SetOnce,
    },
    time::{msecs_to_jiffies, Delta},
    uaccess::{UserPtr, UserSlice},
};
// What `module!` makes for the macros that print.
const __LOG_PREFIX: &[u8] = b"example\0";
pub fn example() -> Result {
EOF

sed '/^};/q' "$work/uses" >"$work/uses-module"

# Each example becomes FILE-LINE.rs, a function with the example as its body. $1 is the FILE,
# $2 the line prefix; examples are the lines between `begin` and `end`.
write_examples()
{
	awk -v out="$work/$1" -v uses="$2" '
		$0 == "begin" { body = ""; module = 0; name = out "-" NR ".rs"; next }
		$0 == "end" {
			head = uses (module ? "-module" : "")
			while ((getline line <head) > 0) print line >name
			close(head)
			printf "%s", body >name
			if (!module) print (last ~ /Ok::</ ? "" : "Ok(())\n") "}" >name
			close(name)
			next
		}
		{ body = body $0 "\n"; last = $0 }
		/^threaded_module!/ { module = 1 }'
}

for file in "$top"/kthread/*.rs "$top"/kthread/*/*.rs; do
	awk '
		{ sub(/^ *\/\/[\/!] ?/, "") || ($0 = "\1") }
		$0 == "\1" { code = text = 0; print ""; next }
		/^```/ && text { text = 0; print ""; next }
		/^```/ && code { code = 0; print "end"; next }
		/^```text/ { text = 1; print ""; next }
		/^```/ { code = 1; print "begin"; next }
		code { sub(/^# /, ""); print; next }
		{ print "" }
	' "$file" | write_examples "$(basename "$file" .rs)" "$work/uses"
done

# In the other pages examples are the lines between ```rust and ```.
sed 's/^pub fn example(.*/pub fn example(threads: \&ThreadGroup) -> Result {/' "$work/uses" >"$work/uses-pages"
cp "$work/uses-module" "$work/uses-pages-module"
for file in "$top"/docs/*.md "$top/README.md"; do
	awk '
		/^```/ && code { code = 0; print "end"; next }
		/^```rust$/ { code = 1; print "begin"; next }
		{ print code ? $0 : "" }
	' "$file" | write_examples "$(basename "$file" .md)" "$work/uses-pages"
done

set -- "$work"/*-*.rs
[ -r "$1" ] || compile_bail "there are no examples"
echo "KTAP version 1"
echo "1..$#"
number=0
failed=0
for file; do
	number=$((number + 1))
	name=$(basename "$file" .rs)
	if compile "$work/example.rmeta" "$file" --crate-name example --extern api >"$work/log" 2>&1; then
		echo "ok $number $name"
	else
		failed=$((failed + 1))
		echo "not ok $number $name"
		sed "s|^$work/|# |; t; s/^/# /" "$work/log"
	fi
done
[ "$failed" -eq 0 ]
