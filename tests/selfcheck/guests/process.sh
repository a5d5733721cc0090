#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A process that outlives its test.
# selfcheck: left-behind process:sleep
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
setsid sleep 1000 >/dev/null 2>&1 &
ktap_finished
