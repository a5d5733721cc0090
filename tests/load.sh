#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading the module with various parameters, and unloading it.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# refused NAME REASON PARAMETER...: the load fails with EINVAL and a line in the log.
refused()
{
	name=$1 reason=$2
	shift 2
	error=$(modprobe "$MODULE" "$@" 2>&1) && rmmod "$MODULE"
	ktap_match "$name: EINVAL" '*Invalid argument' "$error"
	ktap_match "$name: says why in the log" "*$reason*" "$(dmesg | tail -n 1)"
}

ktap_plan 25

demo_load
ktap_eq 'four workers by default' 'w0 w1 w2 w3' "$(workers)"
for name in w0 w1 w2 w3; do
	ktap_eq "$name is a started event worker" 'running event' "$(value $name state) $(value $name kind)"
done
ktap_eq 'keys of stats in their order' \
	'workers workers_peak created create_failed started stopped wakes runs parks unparks commands commands_rejected' \
	"$(cut -d ' ' -f 1 "$DEMO/stats" | xargs)"
ktap_eq 'the workers are counted' '4 4 4 0 4 0' \
	"$(total workers) $(total workers_peak) $(total created) $(total create_failed) $(total started) $(total stopped)"
ktap_eq 'keys of a worker in their order' \
	'state kind wakes runs parks unparks run_time_ns last_run_ns overruns thaws' \
	"$(cut -d ' ' -f 1 "$DEMO/workers/w0/stats" | xargs)"
ktap_eq 'modes of the files' '600 400 400' \
	"$(stat -c %a "$DEMO/control" "$DEMO/stats" "$DEMO/workers/w0/stats" | xargs)"
demo_unload
ktap_ok_if 'nothing is left after the unload' demo_is_gone

demo_load workers=0
ktap_eq 'workers=0 starts none' '0 ' "$(total workers) $(workers)"
demo_unload

demo_load workers=7 max_workers=7
ktap_eq 'workers=7 starts seven' 'w0 w1 w2 w3 w4 w5 w6' "$(workers)"
ktap_eq 'max_workers=7 allows no eighth' ENOSPC "$(control create eighth)"
demo_unload

demo_load workers=0 period_us=1000
do_all 'run a kind=periodic'
ktap_ok_if 'period_us=1000 is the default period' wait_for 10 at_least a runs 3
demo_unload

refused 'more workers than max_workers' 'workers=5: must not be more than max_workers=4' workers=5 max_workers=4
refused 'max_workers=0' 'max_workers=0: must be at least 1' workers=0 max_workers=0
refused 'period_us=0' 'period_us=0: must be from 1 to 3600000000' period_us=0
refused 'period_us=3600000001' 'period_us=3600000001: must be' period_us=3600000001
refused 'workers=-1' "invalid for parameter \`workers'" workers=-1
ktap_ok_if 'nothing is left after refused loads' demo_is_gone

ktap_finished
