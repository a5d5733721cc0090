#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An endless wait for a thread is reported as hung: in join, stop and flush.
#
# ksft-expect-splat: INFO: task waits-join:[0-9]+ blocked
# ksft-expect-splat: INFO: task waits-stop:[0-9]+ blocked
# ksft-expect-splat: INFO: task waits-flush:[0-9]+ blocked

. "$(dirname "$0")/lib/ktap.sh"

# reported NAME: whether the kernel reports this thread as hung.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
reported()
{
	dmesg | grep -q "INFO: task $1:[0-9]* blocked"
}

timeout=$(cat /proc/sys/kernel/hung_task_timeout_secs)
interval=$(cat /proc/sys/kernel/hung_task_check_interval_secs)

ktap_plan 5
echo 1 >/proc/sys/kernel/hung_task_check_interval_secs
echo 2 >/proc/sys/kernel/hung_task_timeout_secs
ktap_ok_if 'threads wait for threads that do not end' modprobe kthread_waits what=1
for wait in join stop flush; do
	ktap_ok_if "$wait: is reported" wait_for 30 reported waits-$wait
done
echo "$timeout" >/proc/sys/kernel/hung_task_timeout_secs
echo "$interval" >/proc/sys/kernel/hung_task_check_interval_secs
ktap_ok_if 'they end with what they wait for' rmmod kthread_waits
ktap_finished
