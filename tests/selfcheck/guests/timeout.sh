#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test that takes too long, and a child that left its process group.
# ksft-timeout: 1
# selfcheck: timeout longer than its limit of 1 seconds; then there were .*[0-9]+ \(sleep\) S .*nanosleep
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
setsid sleep 1000 &
sleep 1000
