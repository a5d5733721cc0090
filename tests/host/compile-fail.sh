#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: code that the API in kthread/ has to reject does not compile. Each case in
# tests/compile-fail names its one error, and compiles with `--cfg fixed`, which corrects the
# code.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
cases=$top/tests/compile-fail
# shellcheck source=tests/lib/compile.sh
. "$top/tests/lib/compile.sh"

compile_api

# judge FILE: prints why the case fails, if it does.
judge()
{
	log=$work/$(basename "$1").log
	wanted=$(sed -n 's|^// error: ||p' "$1" | head -n 1)
	code=${wanted%%: *}
	words=$wanted
	case $code in
	E[0-9]*) words=${wanted#*: } ;;
	*) code= ;;
	esac

	if [ -z "$wanted" ]; then
		grep -q '^// compiles$' "$1" || echo "it does not say what to expect"
	elif compile "$log.rmeta" "$1" --crate-name case --extern api >"$log" 2>&1; then
		echo "it compiles, and should give: $wanted"
	else
		# The compiler may give the same error for several places of a line.
		errors=$(grep -v '^error: aborting' "$log" | grep 'error\(\[E[0-9]*\]\)\{0,1\}: ')
		others=$(printf '%s\n' "$errors" |
			grep -vF "$words" || printf '%s\n' "$errors" | grep -vF "error${code:+[$code]}: ")
		if [ -z "$errors" ] || [ -n "$others" ]; then
			echo "it should give this error and no other: $wanted"
			printf '%s\n' "$errors"
		fi
	fi
	if ! compile "$log.rmeta" "$1" --crate-name case --extern api --cfg fixed >"$log" 2>&1; then
		echo "it does not compile with what is wrong mended:"
		grep 'error' "$log"
	fi
}

total=$(find "$cases" -name '*.rs' | grep -c .)
echo "KTAP version 1"
echo "1..$total"

for file in "$cases"/*.rs; do
	judge "$file" >"$work/$(basename "$file").verdict" &
	running=$((${running:-0} + 1))
	if [ "$running" -ge 4 ]; then
		wait
		running=0
	fi
done
wait

number=0
failed=0
for file in "$cases"/*.rs; do
	number=$((number + 1))
	name=$(basename "$file" .rs)
	if [ -s "$work/$name.rs.verdict" ]; then
		failed=$((failed + 1))
		echo "not ok $number $name"
		sed 's/^/# /' "$work/$name.rs.verdict"
	else
		echo "ok $number $name"
	fi
done
[ "$failed" -eq 0 ]
