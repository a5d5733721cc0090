#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The histograms: each operation is counted once, and a reader never sees half a record.
# The durations do not matter.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# counts FILE: the number of records of each measure.
counts()
{
	sed -n 's/^\([a-z]* [0-9]*\) .*/\1/p' "$1" | xargs
}

# wake_and_wait NAME N: wakes a worker N times, and waits for the run each time.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
wake_and_wait()
{
	for count in $(seq "$2"); do
		do_all "wake $1" && wait_for 10 is "$1" runs "$count" || return 1
	done
}

ktap_plan 20

demo_load workers=0
ktap_eq 'one line for each measure, in their order' \
	'create 0 0 0 0 0 0 start 0 0 0 0 0 0 wake 0 0 0 0 0 0 park 0 0 0 0 0 0 unpark 0 0 0 0 0 0 stop 0 0 0 0 0 0' \
	"$(xargs <"$DEMO/latency")"

do_all 'create a'
ktap_eq 'create' 'create 1 start 0 wake 0 park 0 unpark 0 stop 0' "$(counts "$DEMO/workers/a/latency")"
do_all 'start a'
wait_for 10 grep -q first_run "$DEMO/workers/a/lifecycle"
ktap_eq 'start' 'create 1 start 1 wake 0 park 0 unpark 0 stop 0' "$(counts "$DEMO/workers/a/latency")"
ktap_ok_if '10 wakes' wake_and_wait a 10
do_all 'park a' 'unpark a' 'park a' 'unpark a' 'park a'
ktap_eq 'each operation is counted once' 'create 1 start 1 wake 10 park 3 unpark 2 stop 0' \
	"$(counts "$DEMO/workers/a/latency")"
ktap_eq 'the module counts the same' "$(cat "$DEMO/workers/a/latency")" "$(cat "$DEMO/latency")"
ktap_eq 'a single value is min, mean, p50, p99 and max' 1 \
	"$(sed -n 's/^start 1 //p' "$DEMO/latency" | tr ' ' '\n' | sort -u | wc -l)"

do_all 'run b'
wait_for 10 grep -q first_run "$DEMO/workers/b/lifecycle"
ktap_eq 'each worker has its own' 'create 1 start 1 wake 0 park 0 unpark 0 stop 0' "$(counts "$DEMO/workers/b/latency")"
do_all 'create c' 'stop c' 'stop b'
ktap_eq 'the module has those of workers that are gone' 'create 3 start 2 wake 10 park 3 unpark 2 stop 2' \
	"$(counts "$DEMO/latency")"

control 'park a' >/dev/null
control 'create a' >/dev/null
control 'create d cpu=1000' >/dev/null
ktap_eq 'what was refused is not measured' 'create 3 start 2 wake 10 park 3 unpark 2 stop 2' "$(counts "$DEMO/latency")"

do_all 'run beat kind=periodic period_us=1000'
wait_for 10 at_least beat runs 20
ktap_eq 'a period is not a wake' 'wake 0' "$(counts "$DEMO/workers/beat/latency" | grep -o 'wake 0')"

# Records during a read are most visible in workers with few of them.
observe "$DEMO/workers/x/latency" >/tmp/observed &
observer=$!
taken=0
for _ in $(seq 60); do
	do_all 'run x' 'wake x' 'park x' 'unpark x' 'wake x' 'park x' 'stop x' && taken=$((taken + 1))
done
kill $observer
wait $observer
ktap_eq 'a reader sees no value half recorded' 0 $?
ktap_diag "$(cat /tmp/observed)"
ktap_eq 'while 420 commands are taken' 60 $taken
ktap_ok_if 'and the file is read at the same time' [ "$(sed -n 's/^reads //p' /tmp/observed)" -gt 0 ]
rm /tmp/observed

measured=$(counts "$DEMO/latency" | tr ' ' '\n')
for measure in create:64 start:63 park:123 unpark:62 stop:62; do
	ktap_eq "${measure%:*}: none of them is lost" "${measure#*:}" \
		"$(echo "$measured" | sed -n "/^${measure%:*}\$/{n;p;}")"
done
# A wake-up during a run is not measured.
ktap_ok_if 'wake: at most one for each' [ "$(echo "$measured" | sed -n '/^wake$/{n;p;}')" -le 130 ]

demo_unload
ktap_finished
