#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test with a failed subtest.
# selfcheck: test failed: this one$

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 2
ktap_pass "the other"
ktap_fail "this one"
ktap_finished
