#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: kunit.sh
#
# Runs the KUnit suites and the examples of kthread/ as they run in the kernel tree: built
# into User-Mode Linux, without a guest, by the tree's own kunit.py. First with two CPUs,
# then with one, where a thread that never sleeps keeps all others from running.

. "$(dirname "$0")/../scripts/lib.sh"

need_host
need_build
src=$("$TOP/scripts/kernel-source.sh") || exit 1
src=$(cd "$src" && pwd -P) || exit 1
chosen=$("$TOP/scripts/toolchain.sh")
tools=$(printf '%s\n' "$chosen" | grep -E '^(RUSTC|HOSTRUSTC|BINDGEN|LIBCLANG_PATH)=')
# rustdoc turns the examples into tests, and has to match the compiler.
rustdoc=$(printf '%s\n' "$chosen" | grep '^RUSTDOC=')
make_cache
place=$CACHE/kunit/$(printf '%s\n' "$src" "$tools" | hash_of)
need_space "$CACHE" 600 "a kernel to run the KUnit tests in"
mkdir -p "$place"
lock "$place/lock" "KUnit"
touch "$place/used"
# For "make cache": the tree is needed for as long as this is.
ln -sfn "$src" "$place/source"
log=$place/build.log
tree=$place/tree
"$TOP/series/in-tree.sh" "$src" "$tree" || exit 1

# kunit COMMAND [ARGUMENT...]
kunit()
{
	_command=$1
	shift
	build python3 "$tree/tools/testing/kunit/kunit.py" "$_command" --arch um --build_dir "$place/um" "$@"
}

made()
{
	work_in "$place/um"
}

set --
for tool in $tools $rustdoc; do
	set -- "$@" --make_options "$tool"
done
say "KUnit: building User-Mode Linux from $(basename "$src") with kthread/ in it, log in $log"
progress_start "KUnit: building" "$(cat "$place/work" 2>/dev/null || echo 886)" made
if ! kunit build --kunitconfig "$tree/rust/kernel/kthread" --jobs "$(nproc)" "$@" >"$log" 2>&1; then
	progress_stop
	first_errors "$log" >&2
	sed -n '/^ERROR/,/^Missing/p' "$log" >&2
	die "the kernel could not be built; the log: $log"
fi
progress_stop
made >"$place/work"

status=0
# run CPUS FILTER WHAT
run()
{
	say "KUnit: $3, with $1 CPU$([ "$1" = 1 ] || echo s)"
	kunit exec --timeout 600 --kernel_args seccomp=on --kernel_args "ncpus=$1" "$2" || status=1
}

run 2 'rust_kthread*' 'the suites'
run 1 'rust_kthread*' 'the suites'
run 2 'rust_doctests_kernel.*kthread*' 'the examples'
[ $status = 0 ] || die "some tests failed: see above; the whole output is in $place/um/test.log"
