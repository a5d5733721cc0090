#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test with which nothing is wrong.
# selfcheck: hold

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 2
ktap_pass "one"
ktap_skip "two" "for no reason"
ktap_finished
