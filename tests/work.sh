#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What workers do with their time: as many units of work as wakes, one in each period.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# wake_times NAME N
wake_times()
{
	for _ in $(seq "$2"); do
		echo "wake $1" > "$DEMO/control" || return 1
	done
}

# stays NAME KEY VALUE: another worker works five times, and this one's value is what it was.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
stays()
{
	echo 'run witness kind=periodic period_us=2000' > "$DEMO/control" &&
		wait_for 10 at_least witness runs 5 &&
		echo 'stop witness' > "$DEMO/control" &&
		is "$1" "$2" "$3"
}

ktap_plan 15

demo_load workers=1

ktap_ok_if '200 wakes are taken' wake_times w0 200
ktap_ok_if 'they are 200 units of work' wait_for 10 is w0 runs 200
ktap_ok_if 'and no more' stays w0 runs 200

do_all 'create late'
ktap_eq 'a worker that is not started takes no wake' EBUSY "$(control wake late)"
ktap_ok_if 'it does not run' stays late runs 0
do_all 'start late'
ktap_ok_if 'nor does it once it is started' stays late runs 0

# Wakes that are pending when the worker is parked are kept: whatever it has done by then, it does
# the rest once it is unparked.
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
