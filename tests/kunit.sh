#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs every KUnit suite: those of kthread/, and those that are built into the demo.
# ksft-timeout: 450

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/kunit.sh"

[ -d "$KUNIT" ] || ktap_skip_all "no KUnit in this kernel"
builtin=$(kunit_suites)
modprobe rust_kthread_demo workers=0 || ktap_bail "the demo does not load"
of_demo=$(kunit_suites | grep -vxF "$builtin")
modprobe kthread_kunit || ktap_bail "the module of the suites does not load"
suites=$(kunit_suites | grep -vxF "$builtin")

# A module without suites would be a mistake, not a reason to pass.
ktap_plan $(($(printf '%s\n' "$suites" | grep -c .) + 2))
ktap_ok_if "the demo has KUnit suites" test -n "$of_demo"
ktap_ok_if "kthread/ has others" test "$suites" != "$of_demo"
for suite in $suites; do
	kunit_run "$suite"
done
rmmod kthread_kunit rust_kthread_demo || ktap_diag "the modules do not unload"
ktap_finished
