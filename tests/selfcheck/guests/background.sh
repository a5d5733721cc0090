#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A process that is still at work when its test ends, in the test's own process group.
# selfcheck: left-behind process:sleep
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
sleep 1000 &
ktap_finished
