#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The slack of a timed wait reaches the kernel's timer.

. "$(dirname "$0")/lib/ktap.sh"

# timers FROM TO SLACK: the number of timers that expire in FROM to TO seconds with exactly
# SLACK nanoseconds of slack.
timers()
{
	awk -v from="$1" -v to="$2" -v slack="$3" '
		/^ *#[0-9]+:/ { sleeps = /hrtimer_wakeup/ }
		sleeps && /expires at/ {
			split($4, ends, "-")
			split($0, left, "in ")
			seconds = left[2] / 1e9
			if (ends[2] - ends[1] == slack && seconds > from && seconds < to) count++
		}
		END { print count + 0 }' /proc/timer_list
}

# sleeping SLACK: whether one expires in about an hour.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
sleeping()
{
	[ "$(timers 3000 3600 "$1")" -ge 1 ]
}

ktap_plan 4
ktap_eq 'nobody has such a slack' 0 "$(timers 3000 3600 123456789012)"
modprobe kthread_waits what=4
ktap_ok_if 'a thread with a slack waits for an hour with that' wait_for 10 sleeping 123456789012
ktap_ok_if 'one without waits precisely' wait_for 10 sleeping 0
ktap_ok_if 'they end' rmmod kthread_waits
ktap_finished
