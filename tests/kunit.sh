#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs every KUnit suite of kthread/.
# ksft-timeout: 450

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/kunit.sh"

[ -d "$KUNIT" ] || ktap_skip_all "no KUnit in this kernel"
builtin=$(kunit_suites)
modprobe kthread_kunit || ktap_bail "the module does not load"
suites=$(kunit_suites | grep -vxF "$builtin")

# A module without suites would be a mistake, not a reason to pass.
ktap_plan $(($(printf '%s\n' "$suites" | grep -c .) + 1))
ktap_ok_if "the module has KUnit suites" test -n "$suites"
for suite in $suites; do
	kunit_run "$suite"
done
rmmod kthread_kunit || ktap_diag "the module does not unload"
ktap_finished
