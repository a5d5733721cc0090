#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The lifecycle log of each worker: events, order, times and number.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# events NAME: its lifecycle without the times.
events()
{
	while read -r _ event; do
		printf '%s ' "$event"
	done <"$DEMO/workers/$1/lifecycle"
}

# has_events NAME EVENTS: whether these are the events.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
has_events()
{
	[ "$(events "$1")" = "$2" ]
}

# last_time NAME: the time of the last event, in nanoseconds.
last_time()
{
	nanoseconds "$(tail -n 1 "$DEMO/workers/$1/lifecycle")"
}

# nanoseconds LINE: the time of an event.
nanoseconds()
{
	set -- "${1%% *}"
	echo "${1%.*}${1#*.}"
}

# timely NAME COMMAND...: gives a command; its last event lies between the times before and after.
timely()
{
	before=$(now)
	do_all "$2 $1"
	after=$(now)
	event=$(last_time "$1")
	ktap_ok_if "the time of the last event of $2 is right" [ "$before" -le "$event" -a "$event" -le "$after" ]
}

ktap_plan 27

demo_load workers=0
timely a create
ktap_eq 'create: asked for, then made by kthreadd' 'requested created ' "$(events a)"
before=$(now)
timely b create
ktap_ok_if 'it was asked for before it was made' \
	[ "$(nanoseconds "$(head -n 1 "$DEMO/workers/b/lifecycle")")" -lt "$(last_time b)" ]
ktap_ok_if 'it was asked for after that was written' \
	[ "$(nanoseconds "$(head -n 1 "$DEMO/workers/b/lifecycle")")" -gt "$before" ]

do_all 'start a'
ktap_ok_if 'start: woken, then its first instruction' wait_for 10 has_events a 'requested created woken first_run '
do_all 'run c'
ktap_ok_if 'run: the whole handshake' wait_for 10 has_events c 'requested created woken first_run '
timely a wake
ktap_eq 'wake' 'requested created woken first_run woken ' "$(events a)"
timely a park
ktap_eq 'park: asked to, then parked' 'requested created woken first_run woken park_requested parked ' "$(events a)"
timely a unpark
ktap_eq 'unpark' 'requested created woken first_run woken park_requested parked unparked ' "$(events a)"
do_all 'park a'
ktap_eq 'what was refused is no event' 'EBUSY EBUSY EBUSY EEXIST' \
	"$(control 'wake a') $(control 'park a') $(control 'start a') $(control 'create a')"
ktap_eq 'the log goes on' \
	'requested created woken first_run woken park_requested parked unparked park_requested parked ' "$(events a)"
do_all 'run beat kind=periodic period_us=1000'
wait_for 10 at_least beat runs 5
ktap_eq 'a period is no event' 'requested created woken first_run ' "$(events beat)"

ktap_eq 'each line is SECONDS.NANOS EVENT' 0 \
	"$(grep -c -v -E '^[0-9]+\.[0-9]{9} [a-z_]+$' "$DEMO/workers/a/lifecycle")"
ktap_ok_if 'times ascend' sort -c -n "$DEMO/workers/a/lifecycle"
ktap_eq 'each worker has its own' 'requested created ' "$(events b)"

# 100 wakes and 2 events of park: the oldest of the 64 that are kept is the 39th wake.
do_all 'run many'
for count in $(seq 100); do
	[ "$count" != 39 ] || mark=$(now)
	do_all 'wake many'
done
do_all 'park many'
ktap_eq '64 events are kept' 64 "$(grep -c '' "$DEMO/workers/many/lifecycle")"
ktap_eq 'these are the last' '62 woken park_requested parked' \
	"$(grep -c woken "$DEMO/workers/many/lifecycle") woken $(events many | grep -o 'park_requested parked $' | xargs)"
ktap_ok_if 'no older one' [ "$(nanoseconds "$(head -n 1 "$DEMO/workers/many/lifecycle")")" -gt "$mark" ]
ktap_ok_if 'their times ascend' sort -c -n "$DEMO/workers/many/lifecycle"

# A stop is only visible while it waits: stop-all asks all workers before it waits for the
# first, which is kept off its only CPU.
do_all 'stop-all'
if [ "$(nproc)" -lt 2 ]; then
	ktap_skip_each 'needs two CPUs' \
		'stop-all asks all first' 'the body of one that could has returned' 'stop: asked to, then returned' \
		'stop of all'
else
	do_all 'create a cpu=1 policy=fifo_low' 'run b cpu=0'
	starve 1
	do_all 'start a'
	control 'stop-all' >/tmp/stopped &
	stopper=$!
	ktap_ok_if 'stop-all asks all first' wait_for 10 has_events a 'requested created woken stop_requested '
	ktap_ok_if 'the body of one that could has returned' wait_for 10 is b state finished
	ktap_eq 'stop: asked to, then returned' 'requested created woken first_run stop_requested returned ' "$(events b)"
	feed
	wait $stopper
	ktap_eq 'stop of all' OK "$(cat /tmp/stopped)"
	rm /tmp/stopped
fi

demo_unload
ktap_finished
