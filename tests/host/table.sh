#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the tables in kthread/README.md name every rule, pitfall and exported
# function, every test of kthread/, and no test that does not exist.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
readme=$top/kthread/README.md
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

count=0
failed=0

# check NAME FILE: passes if FILE, which lists the faults, is empty.
check()
{
	count=$((count + 1))
	if [ -s "$2" ]; then
		failed=$((failed + 1))
		echo "not ok $count $1"
		sed 's/^/# /' "$2"
	else
		echo "ok $count $1"
	fi
}

# shellcheck disable=SC2016 # The backticks are meant.
ticked()
{
	grep -o '`[^`]*`' | tr -d '`' | sort -u
}

# Names of tests and functions.
ticked <"$readme" | grep -x '[a-z_][a-z0-9_-]*' >"$work/words"

# KUnit tests are functions below #[test], the other cases are files.
for file in "$top"/kthread/*.rs "$top"/kthread/*/*.rs; do
	awk '/^ *#\[test\]$/ { test = 1; next } test && / fn / { sub(/.* fn /, ""); sub(/\(.*/, ""); print; test = 0 }' "$file"
done | sort >"$work/kunit"
for file in "$top"/tests/compile-fail/*.rs; do
	basename "$file" .rs
done | sort >"$work/cases"
sort -u "$work/kunit" "$work/cases" >"$work/tests"

# In the two tables of rules and pitfalls, the last column.
sed -n 's/^| [RP][0-9]* |.*| \([^|]*\) |$/\1/p' "$readme" | ticked >"$work/named"

echo "KTAP version 1"
echo "1..6"

[ "$(grep -c . "$work/tests")" -gt 50 ] && : >"$work/few" || echo "too few tests were found" >"$work/few"
check "tests are found" "$work/few"

uniq -d "$work/kunit" >"$work/twice"
check "no two tests have the same name" "$work/twice"

comm -13 "$work/tests" "$work/named" >"$work/gone"
check "every test that is named exists" "$work/gone"

comm -23 "$work/tests" "$work/words" >"$work/unnamed"
check "every test that exists is named" "$work/unnamed"

for row in R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 R11 R12 P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15 P16 P17 \
	P18 P19 P20 P21 P22 P23 P24 P25 P26 P27 P28; do
	[ "$(grep -c "^| $row |" "$readme")" -eq 1 ] || echo "$row"
done >"$work/rows"
check "every rule and pitfall has its row" "$work/rows"

source=$top/build/$KERNEL/kernel/source/kernel/kthread.c
[ -r "$source" ] || source=$top/build/$KERNEL/kernel/kernel/kthread.c
if [ -r "$source" ]; then
	sed -n 's/^EXPORT_SYMBOL[A-Z_]*(\([a-z_]*\));$/\1/p' "$source" | sort >"$work/exported"
	[ -s "$work/exported" ] || echo "nothing is exported by $source" >"$work/words"
	comm -23 "$work/exported" "$work/words" >"$work/missing"
	check "every function that kernel/kthread.c exports is named" "$work/missing"
else
	echo "ok 6 every function that kernel/kthread.c exports is named # SKIP no source of the kernel '$KERNEL'"
fi
[ "$failed" -eq 0 ]
