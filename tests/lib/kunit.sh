# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Runs KUnit suites of a module as tests. Sourced after ktap.sh. The guest boots with
# kunit.enable=1 and without autorun: the suites of a loaded module are in
# debugfs, and run when their file `run` is written.

KUNIT=/sys/kernel/debug/kunit

# kunit_suites: prints the names of all suites, one a line: those that are built
# into the kernel, and those of loaded modules.
kunit_suites()
{
	for kunit_dir in "$KUNIT"/*/; do
		[ ! -e "$kunit_dir/run" ] || basename "$kunit_dir"
	done
}

# kunit_run SUITE: runs the suite and reports it as one result, with its own
# results nested. KUnit indents by four columns, KTAP by two.
kunit_run()
{
	echo run >"$KUNIT/$1/run"
	kunit_results=$(cat "$KUNIT/$1/results")
	printf '%s\n' "$kunit_results" | awk '
		/^ / {
			match($0, /^ */)
			print substr($0, 1, RLENGTH / 2) substr($0, RLENGTH + 1)
		}'
	case $(printf '%s\n' "$kunit_results" | tail -n 1) in
	"ok 1 $1 # SKIP"*) ktap_skip "$1" "by KUnit" ;;
	"ok 1 $1") ktap_pass "$1" ;;
	*) ktap_fail "$1" ;;
	esac
}
