#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# It exits as if it had been skipped, though a subtest failed.
# selfcheck: test it exited with 4, but failed: two$

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 2
ktap_pass "one"
ktap_fail "two"
exit 4
