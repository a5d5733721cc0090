#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A number that two threads change.
# selfcheck-config: CONFIG_KCSAN
# selfcheck: splat BUG: KCSAN: data-race in .*broken_add
# selfcheck-smp: 2
# selfcheck-decoded: broken_add \(.*broken_kcsan\.c:14\)

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
# Watch one access in 100, not in 4000.
echo 100 >/sys/module/kcsan/parameters/skip_watch
modprobe broken_kcsan
rmmod broken_kcsan
ktap_finished
