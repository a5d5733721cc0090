#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Workers during suspend: freezable ones do not run while tasks are frozen, the others do.
# The kernel stops the suspend after freezing them.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

delay=/sys/module/suspend/parameters/pm_test_delay
grep -q freezer /sys/power/pm_test 2>/dev/null || ktap_skip_all 'needs CONFIG_PM_DEBUG and CONFIG_SUSPEND'

# freeze SECONDS: freezes all freezable tasks for this time.
freeze()
{
	echo "$1" >$delay
	echo mem >/sys/power/state
}

# nofreeze NAME...: whether these workers are exempt from the freezer.
nofreeze()
{
	for name; do
		value "$name" nofreeze identity
	done | xargs
}

# is_freezable NAME: whether the thread has become freezable.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
is_freezable()
{
	[ "$(nofreeze "$1")" = no ]
}

ktap_plan 27

old_test=$(sed 's/.*\[\(.*\)\].*/\1/' /sys/power/pm_test)
old_delay=$(cat $delay)
echo freezer >/sys/power/pm_test

demo_load workers=0
do_all 'run cold freezable=yes' 'run coldbeat freezable=yes kind=periodic period_us=20000' \
	'run parks freezable=yes' 'run stops freezable=yes' 'run parked freezable=yes' 'create new freezable=yes' \
	'run warm freezable=no' 'run warmbeat kind=periodic period_us=20000'
for name in cold coldbeat parks stops parked; do
	ktap_ok_if "$name is freezable" wait_for 10 is_freezable $name
done
ktap_eq 'the others are not, nor what has not run' 'yes yes yes' "$(nofreeze new warm warmbeat)"
do_all 'park parked'
ktap_eq 'what is parked is not, either' yes "$(nofreeze parked)"

cold_runs=$(value coldbeat runs)
cold_overruns=$(value coldbeat overruns)
warm_runs=$(value warmbeat runs)
ktap_ok_if 'all are frozen for two seconds' freeze 2
for command in 'park parks' 'stop stops'; do
	ktap_eq "right after that: $command" OK "$(control "$command")"
done
cold_runs=$(($(value coldbeat runs) - cold_runs))
cold_overruns=$(($(value coldbeat overruns) - cold_overruns))
warm_runs=$(($(value warmbeat runs) - warm_runs))
ktap_diag "while frozen: $cold_runs runs and $cold_overruns overruns of the freezable one, $warm_runs runs of the other"
# Two seconds are a hundred periods, and both workers run equally often before and after.
ktap_ok_if 'a freezable worker does not run while frozen' [ $cold_overruns -ge 90 ]
# On a busy host a worker misses most of its periods, but not all.
ktap_ok_if 'the other does' [ $((warm_runs - cold_runs)) -ge 3 ]
ktap_ok_if 'a freezable periodic worker goes on' beats coldbeat
ktap_ok_if 'the other goes on' beats warmbeat
for name in cold warm; do
	ktap_ok_if "$name works" works $name
done
do_all 'unpark parks' 'unpark parked' 'start new'
for name in parks parked new; do
	ktap_ok_if "$name works" works $name
done
ktap_eq 'what was parked is freezable again' no "$(nofreeze parked)"
ktap_eq 'those that were frozen know, and no others' '1 1 0 0 0' \
	"$(for name in cold coldbeat parked warm warmbeat; do value $name thaws; done | xargs)"

# Commands are frozen half way.
rm -f /tmp/over
runs="$(value cold runs) $(value warm runs)"
given=0
(
	while [ ! -e /tmp/over ]; do
		do_all 'wake cold' 'wake warm' 'park parks' 'run brief freezable=yes' 'wake cold' 'unpark parks' \
			'wake warm' 'stop brief' || exit 1
		given=$((given + 2))
	done
	echo $given >/tmp/given
) &
busy=$!
suspended=0
while [ $suspended -lt 10 ] && freeze 0; do
	suspended=$((suspended + 1))
	# Let some commands pass, so that not always the same one is frozen.
	usleep 50000
done
ktap_eq 'all are frozen ten times more' 10 $suspended
: >/tmp/over
wait $busy
ktap_eq 'all commands during the freezes succeed' 0 $?
given=$(cat /tmp/given)
rm -f /tmp/over /tmp/given
ktap_diag "$given wake-ups during the freezes"
ktap_ok_if 'the freezable worker has done what it was woken for' wait_for 10 is cold runs $((${runs% *} + given))
ktap_ok_if 'and so has the other' wait_for 10 is warm runs $((${runs#* } + given))

echo "$old_test" >/sys/power/pm_test
echo "$old_delay" >$delay
ktap_eq 'all can be stopped' 'OK 0' "$(control stop-all) $(total workers)"
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
