#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: what the API in kthread/ has to rule out does not compile. Each
# case in tests/compile-fail names the one error that it must give, and compiles
# with `--cfg fixed`, where what is wrong is mended.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
command=$top/build/$KERNEL/module/.rust_kthread_demo.o.cmd
cases=$top/tests/compile-fail

bail()
{
	echo "Bail out! $*"
	exit 1
}

[ -r "$command" ] || bail "the module is not built for kernel '$KERNEL': there is no $command"
work=$(mktemp -d) || bail "no temporary directory"
trap 'rm -rf "$work"' EXIT

# The compiler as kbuild calls it for the module, but for what it writes and reads.
flags=$(sed -n 's/^savedcmd_rust_kthread_demo\.o := //p' "$command")
flags=${flags%% --emit=*}
flags=$(printf '%s\n' "$flags" | sed 's/ --out-dir [^ ]*//')
[ -n "$flags" ] || bail "$command does not say how the module was compiled"

# compile OUT FILE OPTION...: checks a crate, with one line for each error.
compile()
{
	out=$1
	file=$2
	shift 2
	eval "set -- $flags \"\$@\""
	RUSTC_BOOTSTRAP=1 env "$@" --cap-lints allow --error-format=short --emit=metadata -o "$out" -L "$work" "$file"
}

cat >"$work/api.rs" <<EOF
#[path = "$top/kthread/mod.rs"]
pub mod kthread;
EOF
compile "$work/libapi.rmeta" "$work/api.rs" --crate-name api >"$work/log" 2>&1 ||
	bail "kthread/ does not compile: $(grep -m 1 error "$work/log")"

# judge FILE: says on stdout why the case does not hold, if it does not.
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
