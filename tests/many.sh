#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A thousand workers at a time, or fewer on a slow kernel: all are created, started, woken,
# parked, unparked and stopped.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

many=1000
[ "${KSFT_SLOWNESS:-1}" -eq 1 ] || many=250

# to_all VERB [N]: gives a command for each worker, or for the first of them.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
to_all()
{
	number=0
	while [ "$number" -lt "${2:-$many}" ]; do
		do_all "$1 n$number" || return 1
		number=$((number + 1))
	done
}

# threads: the number of kernel threads of these workers.
threads()
{
	# shellcheck disable=SC2009 # There is no pgrep here.
	ps -o ppid,args | grep -c '^ *2 \[n[0-9]*\]$'
}

# runs_are N: whether the workers have done N units of work.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
runs_are()
{
	[ "$(total runs)" = "$1" ]
}

ktap_needs_memory 128
ktap_plan 14

demo_load workers=0 max_workers=$many
ktap_ok_if "create $many" to_all create
ktap_eq 'there is no room for one more' ENOSPC "$(control create more)"
ktap_eq "$many threads" "$many" "$(threads)"
ktap_ok_if "start $many" to_all start
ktap_ok_if "wake $many" to_all wake
ktap_ok_if 'each does its work' wait_for 30 runs_are $many
ktap_ok_if "park $many" to_all park
ktap_eq 'all are parked' $many "$(cat "$DEMO"/workers/*/stats | grep -c '^state parked$')"
ktap_ok_if "unpark $many" to_all unpark
ktap_ok_if "stop half of them, one by one" to_all stop $((many / 2))
ktap_eq 'stop-all of the rest' OK "$(control stop-all)"
ktap_eq 'the totals tell' "0 $many $many $many $many $many $many $many" \
	"$(total workers) $(total workers_peak) $(total created) $(total started) $(total stopped) $(total wakes) $(total parks) $(total unparks)"
ktap_eq 'no thread is left' 0 "$(threads)"
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
