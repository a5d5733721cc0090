#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A WARN that the test does not declare.
# selfcheck: splat WARNING: .*broken_warn
# selfcheck: counters warn_count [0-9]+ -> [0-9]+
# selfcheck-decoded: ^ *(RIP|pc ?): .*init \(tests/selfcheck/modules/broken_warn\.c:9\) broken_warn

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_warn
rmmod broken_warn
ktap_finished
