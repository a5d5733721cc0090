#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Work that does not get its turn.
# selfcheck-config: CONFIG_WQ_WATCHDOG
# selfcheck: splat BUG: workqueue lockup - pool cpus=0
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
# Complain after a second.
echo 1 >/sys/module/workqueue/parameters/watchdog_thresh
modprobe broken_workqueue_lockup
rmmod broken_workqueue_lockup
ktap_finished
