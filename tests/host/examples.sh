#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: each example in the documentation of kthread/, in docs/ and in the
# README compiles. In the kernel tree those of kthread/ would run as KUnit tests, which
# is not to be had for a module.

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
    fmt,
    mm::MmWithUser,
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

# Each example becomes FILE-LINE.rs, a function that ends as the example does.
for file in "$top"/kthread/*.rs "$top"/kthread/*/*.rs; do
	awk -v out="$work/$(basename "$file" .rs)" -v uses="$work/uses" '
		{ sub(/^ *\/\/[\/!] ?/, "") || ($0 = "\1") }
		$0 == "\1" { code = text = 0; next }
		/^```/ && text { text = 0; next }
		/^```/ && code {
			if (last !~ /Ok::</) print "Ok(())" >name
			print "}" >name
			close(name)
			code = 0
			next
		}
		/^```text/ { text = 1; next }
		/^```/ {
			code = 1
			name = out "-" NR ".rs"
			while ((getline line <uses) > 0) print line >name
			close(uses)
			next
		}
		code { sub(/^# /, ""); print >name; last = $0 }
	' "$file"
done

# In the other pages it is what stands between ```rust and ```.
sed 's/^pub fn example(.*/pub fn example(threads: \&ThreadGroup) -> Result {/' "$work/uses" >"$work/uses-pages"
for file in "$top"/docs/*.md "$top/README.md"; do
	awk -v out="$work/$(basename "$file" .md)" -v uses="$work/uses-pages" '
		/^```/ && code { print "Ok(())\n}" >name; close(name); code = 0; next }
		/^```rust$/ {
			code = 1
			name = out "-" NR ".rs"
			while ((getline line <uses) > 0) print line >name
			close(uses)
			next
		}
		code { print >name }
	' "$file"
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
