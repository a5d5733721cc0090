#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A CPU that runs nothing else for too long.
# selfcheck-config: CONFIG_SOFTLOCKUP_DETECTOR
# selfcheck: splat watchdog: BUG: soft lockup - CPU#0 stuck for
# selfcheck: counters softlockup_count 0 -> [1-9]
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
# Complain after twice this many seconds.
echo 1 >/proc/sys/kernel/watchdog_thresh
modprobe broken_soft_lockup
rmmod broken_soft_lockup
ktap_finished
