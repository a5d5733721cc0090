#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A thread that waits for too long.
# selfcheck-config: CONFIG_DETECT_HUNG_TASK
# selfcheck: splat INFO: task broken_waiter:[0-9]+ blocked
# selfcheck: counters hung_task_detect_count 0 -> 1
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
# Complain after five seconds, which is also what there is left to end that before the next check.
echo 5 >/proc/sys/kernel/hung_task_check_interval_secs
echo 5 >/proc/sys/kernel/hung_task_timeout_secs
modprobe broken_hung_task
wait_for 20 grep -q '[1-9]' /proc/sys/kernel/hung_task_detect_count
# The next check would find it again before rmmod has ended it.
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
rmmod broken_hung_task
ktap_finished
