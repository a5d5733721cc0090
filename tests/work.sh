#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Workers do one unit of work for each wake-up, or one in each period.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# wake_times NAME N
wake_times()
{
	for _ in $(seq "$2"); do
		echo "wake $1" >"$DEMO/control" || return 1
	done
}

# stays NAME KEY VALUE: another worker works five times, and this one's value does not change.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
stays()
{
	echo 'run witness kind=periodic period_us=2000' >"$DEMO/control" &&
		wait_for 10 at_least witness runs 5 &&
		echo 'stop witness' >"$DEMO/control" &&
		is "$1" "$2" "$3"
}

ktap_plan 22

demo_load workers=1

ktap_ok_if '200 wakes are taken' wake_times w0 200
ktap_ok_if 'they are 200 units of work' wait_for 10 is w0 runs 200
ktap_ok_if 'and no more' stays w0 runs 200

do_all 'create late'
ktap_eq 'a worker that is not started takes no wake' EBUSY "$(control wake late)"
ktap_ok_if 'it does not run' stays late runs 0
do_all 'start late'
ktap_ok_if 'nor does it once it is started' stays late runs 0

# Wake-ups that are pending when the worker is parked are kept: it does the remaining work
# once it is unparked.
wake_times w0 300 &
waker=$!
for _ in $(seq 20); do
	do_all 'park w0' 'unpark w0'
done
wait $waker
refused=$((500 - $(value w0 wakes)))
ktap_diag "$refused of 300 wakes met a parked worker"
ktap_ok_if 'wakes that were taken while it was parked and unparked are done' \
	wait_for 10 is w0 runs "$(value w0 wakes)"
ktap_eq 'the module counts the same' "$(value w0 wakes)" "$(total wakes)"

# late_worker: creates a worker that is kept off its only CPU, and wakes it ten times.
late_worker()
{
	runs=$(total runs)
	do_all 'run late cpu=1 nice=19'
	wait_for 10 thread_is late S
	starve 1 0
	wake_times late 10
}

# after COMMAND WORD: gives a command that has to wait, and lets the worker run once the
# lifecycle has WORD.
after()
{
	control "$1" >/tmp/late &
	late=$!
	wait_for 10 grep -q "$2" "$DEMO/workers/late/lifecycle"
	feed
	wait $late
	ktap_eq "$1 has to wait" OK "$(cat /tmp/late)"
	rm /tmp/late
}

# The work of pending wake-ups is done before a stop.
do_all 'stop late'
if [ "$(nproc)" -lt 2 ]; then
	ktap_skip_each 'needs two CPUs' \
		'stop late has to wait' 'stop: what was pending is done' 'stop-all has to wait' \
		'stop-all: what was pending is done' 'park late has to wait' 'parked: it is pending still' \
		'stop of one that is parked: what was pending is done'
else
	late_worker
	after 'stop late' stop_requested
	ktap_eq 'stop: what was pending is done' 10 $(($(total runs) - runs))
	late_worker
	after stop-all stop_requested
	ktap_eq 'stop-all: what was pending is done' 10 $(($(total runs) - runs))
	late_worker
	after 'park late' park_requested
	ktap_eq 'parked: it is pending still' '10 0' "$(value late wakes) $(value late runs)"
	do_all 'stop late'
	ktap_eq 'stop of one that is parked: what was pending is done' 10 $(($(total runs) - runs))
fi

do_all 'run beat kind=periodic period_us=2000'
ktap_ok_if 'a periodic worker runs by itself' wait_for 10 at_least beat runs 10
do_all 'park beat'
runs=$(value beat runs)
ktap_ok_if 'it does not run while it is parked' stays beat runs "$runs"
do_all 'unpark beat'
ktap_ok_if 'it runs again when it is unparked' wait_for 10 at_least beat runs $((runs + 3))
ktap_eq 'its work is not asked for' 0 "$(value beat wakes)"

do_all 'run hour kind=periodic period_us=3600000000'
ktap_eq 'a worker parks in the middle of a period' OK "$(control park hour)"
do_all 'unpark hour'
ktap_eq 'a worker stops in the middle of a period' OK "$(control stop hour)"

demo_unload
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
