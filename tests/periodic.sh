#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Periodic workers keep their period: deadlines are absolute, so errors do not add up, and
# missed periods are counted and not made up for.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# first_run NAME: the time of its first run, in nanoseconds.
first_run()
{
	first=$(grep first_run "$DEMO/workers/$1/lifecycle")
	first=${first% *}
	echo "${first%.*}${first#*.}"
}

# count NAME PERIOD_NS BEGIN: sets $runs, $overruns and their sum $periods, and the bounds
# $least and $most of that sum if each period since BEGIN counts once.
count()
{
	least=$((($(now) - $3) / $2))
	while read -r key content; do
		case $key in
		runs) runs=$content ;;
		overruns) overruns=$content ;;
		esac
	done <"$DEMO/workers/$1/stats"
	most=$((($(now) - $3) / $2))
	periods=$((runs + overruns))
}

# keeps_up NAME PERIOD_NS BEGIN: whether at most the last two periods are missing. A delayed
# worker catches up once it runs, a drifting one never does.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
keeps_up()
{
	count "$@"
	[ "$periods" -ge $((least - 2)) ]
}

# is_not_ahead NAME PERIOD_NS BEGIN
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
is_not_ahead()
{
	count "$@"
	ktap_diag "$1: $runs runs and $overruns overruns in $least to $most periods"
	[ "$periods" -le "$most" ]
}

ktap_plan 19

demo_load workers=0

# 300 timer delays add up to much more than two periods.
do_all 'run beat kind=periodic period_us=2000'
wait_for 20 at_least beat runs 300
begin=$(first_run beat)
ktap_ok_if 'no period is lost' wait_for 10 keeps_up beat 2000000 "$begin"
ktap_ok_if 'none is counted twice' is_not_ahead beat 2000000 "$begin"

if [ "$(nproc)" -lt 2 ]; then
	ktap_skip 'a worker that is held up misses periods' 'needs two CPUs'
	ktap_skip 'they are not made up for' 'needs two CPUs'
	ktap_skip 'the beat goes on as if nothing had been' 'needs two CPUs'
	ktap_skip 'nothing is counted twice' 'needs two CPUs'
else
	do_all 'run held kind=periodic period_us=20000 cpu=1 policy=fifo_low'
	wait_for 10 at_least held runs 3
	begin=$(first_run held)
	starve 1
	count held 20000000 "$begin"
	before=$periods
	wait_for 10 eval "count held 20000000 $begin; [ \$least -ge $((before + 20)) ]"
	during=$periods
	feed
	ktap_ok_if 'a worker that is held up misses periods' wait_for 10 eval "[ \$(value held overruns) -ge 15 ]"
	ktap_diag "$before periods before, $during while it was held up for $((least - before)) periods"
	ktap_ok_if 'the beat goes on as if nothing had been' wait_for 10 keeps_up held 20000000 "$begin"
	ktap_ok_if 'they are not made up for' is_not_ahead held 20000000 "$begin"
	ktap_ok_if 'nothing is counted twice' [ $((runs + 15)) -le "$most" ]
fi

do_all 'run slow kind=periodic period_us=1000000'
wait_for 10 at_least slow runs 1
ktap_ok_if 'a period that is not over is not missed' is_not_ahead slow 1000000000 "$(first_run slow)"

do_all 'run paused kind=periodic period_us=20000'
wait_for 10 at_least paused runs 3
do_all 'park paused'
begin=$(now)
count paused 20000000 "$begin"
before=$periods
wait_for 10 eval "[ \$(now) -ge $((begin + 40 * 20000000)) ]"
begin=$(now)
do_all 'unpark paused'
wait_for 10 at_least paused runs $((runs + 3))
count paused 20000000 "$begin"
ktap_diag "$((periods - before)) periods in $most since the worker is unparked"
ktap_ok_if 'periods that pass while a worker is parked do not count' [ $((periods - before)) -le "$most" ]
do_all 'stop-all'

# A period that is shorter than the work and the wake-up.
do_all 'run short kind=periodic period_us=1'
wait_for 10 at_least short runs 100
begin=$(first_run short)
ktap_ok_if 'period_us=1: no period is lost' wait_for 10 keeps_up short 1000 "$begin"
ktap_ok_if 'period_us=1: none is counted twice' is_not_ahead short 1000 "$begin"
ktap_ok_if 'period_us=1: most are missed, and counted as such' [ "$overruns" -gt "$runs" ]
ktap_eq 'period_us=1: parks' OK "$(control park short)"
count short 1000 "$begin"
stopped="$runs $overruns"
count short 1000 "$begin"
ktap_eq 'a parked worker misses nothing' "$stopped" "$runs $overruns"
do_all 'unpark short'
ktap_eq 'period_us=1: stops' OK "$(control stop short)"

# A wait for an hour would exceed the limit of this test.
do_all 'run hour kind=periodic period_us=3600000000'
ktap_eq 'park in the middle of an hour' OK "$(control park hour)"
ktap_eq 'unpark' OK "$(control unpark hour)"
ktap_eq 'an hour is not over' '0 0' "$(value hour runs) $(value hour overruns)"
ktap_eq 'stop in the middle of an hour' OK "$(control stop hour)"

do_all 'run a kind=periodic period_us=3600000000' 'run b kind=periodic period_us=3600000000' 'park b'
ktap_ok_if 'unload in the middle of an hour' rmmod "$MODULE"
ktap_finished
