#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The effect of each command.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

ktap_plan 40

demo_load workers=0
control_text=$(cat "$DEMO/control")
for verb in create start run wake park unpark stop stop-all; do
	ktap_match "control shows $verb" "*$verb*" "$control_text"
done

ktap_eq 'create' OK "$(control create a)"
ktap_eq 'a created worker is created' created "$(value a state)"
ktap_eq 'its thread has never been woken (D)' D "$(thread_state a)"
ktap_eq 'start' OK "$(control start a)"
ktap_eq 'a started worker is running' running "$(value a state)"
ktap_ok_if 'its thread waits (S)' wait_for 10 thread_is a S

ktap_eq 'run' OK "$(control run b)"
ktap_eq 'run creates and starts' running "$(value b state)"
ktap_eq 'both are counted' '2 2' "$(total created) $(total started)"

ktap_eq 'wake' OK "$(control wake a)"
ktap_ok_if 'a wake is one unit of work' wait_for 10 is a runs 1
ktap_eq 'wakes are counted' '1 1 0' "$(value a wakes) $(total wakes) $(value b wakes)"
ktap_ok_if 'work takes time' [ "$(value a run_time_ns)" -gt 0 ]
ktap_eq 'the last run is the only one' "$(value a run_time_ns)" "$(value a last_run_ns)"

ktap_eq 'park' OK "$(control park a)"
ktap_eq 'a parked worker is parked' parked "$(value a state)"
ktap_eq 'its thread is parked (P) once park returns' P "$(thread_state a)"
ktap_eq 'unpark' OK "$(control unpark a)"
ktap_eq 'an unparked worker is running' running "$(value a state)"
ktap_eq 'parks and unparks are counted' '1 1 1 1' \
	"$(value a parks) $(value a unparks) $(total parks) $(total unparks)"
do_all 'wake a'
ktap_ok_if 'an unparked worker works' wait_for 10 is a runs 2

ktap_eq 'stop' OK "$(control stop a)"
ktap_ok_if 'its directory is gone once stop returns' [ ! -e "$DEMO/workers/a" ]
ktap_eq 'its thread is gone once stop returns' '' "$(thread_state a)"
ktap_eq 'its name is free' OK "$(control create a)"

do_all 'create c' 'run d' 'park d' 'run e kind=periodic'
ktap_eq 'stop-all stops created, running and parked workers' OK "$(control stop-all)"
ktap_eq 'no worker is left' '' "$(workers)"
ktap_eq 'the totals add up' '0 6 6 5' "$(total workers) $(total created) $(total stopped) $(total workers_peak)"
ktap_eq 'stop-all of none' OK "$(control stop-all)"

ktap_eq 'a trailing newline is allowed' OK "$(printf 'run a\n' | write1 "$DEMO/control")"
ktap_eq 'blanks and tabs separate words' OK "$(control "  park	 a ")"
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone

ktap_finished
