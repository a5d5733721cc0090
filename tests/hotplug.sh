#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-timeout: 90
#
# Threads while a CPU goes offline and online, a hundred times, or fewer on a slow kernel.
# HOTPLUG_COUNT in the environment sets the number.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

count=${HOTPLUG_COUNT:-$((100 / ${KSFT_SLOWNESS:-1}))}
last=$(($(nproc) - 1))
switch=/sys/devices/system/cpu/cpu$last/online
[ "$last" -gt 0 ] || ktap_skip_all 'needs two CPUs'
[ -w $switch ] || ktap_skip_all "CPU $last does not go offline"
all=$(cat /sys/devices/system/cpu/online)
percpu=
! modprobe kthread_hotplug 2>/dev/null || percpu=yes

# plug 0|1: takes the last CPU offline or online.
plug()
{
	echo "$1" >$switch
}

# cpus NAME...: the CPUs that these workers may run on.
cpus()
{
	for name; do
		value "$name" cpus_allowed identity
	done | xargs
}

# switches: the number of sleeps of the per-CPU thread of the last CPU.
# shellcheck disable=SC2317 # It is called by eval.
switches()
{
	pid=$(ps -o pid,ppid,args | awk -v name="[percpu/$last]" '$2 == 2 && $3 == name { print $1 }')
	field voluntary_ctxt_switches: "/proc/$pid/status"
}

# percpu_runs: whether a wake-up makes that thread run.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
percpu_runs()
{
	switched=$(($(switches) + 3))
	wait_for 10 eval "[ \$(switches) -ge $switched ]"
}

# percpu_ok_if NAME COMMAND...: like ktap_ok_if, but skipped without per-CPU threads.
percpu_ok_if()
{
	if [ -n "$percpu" ]; then
		ktap_ok_if "$@"
	else
		ktap_skip "$1" 'there is no module kthread_hotplug'
	fi
}

ktap_plan 37

demo_load workers=0
do_all 'run event' 'run beat kind=periodic period_us=20000' "run sleeper cpu=$last" "run bound cpu=$last" \
	"run boundbeat kind=periodic period_us=20000 cpu=$last" "run parked cpu=$last" 'park parked' \
	"create late cpu=$last" "create gone cpu=$last"
ktap_eq 'where they may run' "$all $all $last $last $last $last $last" \
	"$(cpus event beat sleeper bound boundbeat parked late)"
percpu_ok_if 'the per-CPU thread runs' percpu_runs

ktap_ok_if "CPU $last goes offline" plug 0
ktap_ok_if 'an event worker works' works event
ktap_ok_if 'a periodic worker works' beats beat
ktap_ok_if 'a bound periodic worker works, elsewhere' beats boundbeat
ktap_eq 'what sleeps, is parked or was not started is bound still' "$last $last $last $last" \
	"$(cpus sleeper bound parked late)"
ktap_ok_if 'a bound event worker works' works bound
do_all 'unpark parked' 'start late'
ktap_ok_if 'a bound worker that was parked works' works parked
ktap_ok_if 'a bound worker that was not started works' works late
ktap_eq 'what has run is not bound any more' "$all $all $all $all" "$(cpus bound boundbeat parked late)"
ktap_eq 'a bound worker that was not started stops' OK "$(control 'stop gone')"
ktap_eq 'no worker is bound to that CPU' ENODEV "$(control "create a cpu=$last")"
percpu_ok_if 'the per-CPU thread is parked' wait_for 10 thread_is "percpu/$last" P

ktap_ok_if "CPU $last goes online" plug 1
ktap_eq 'what was not woken is still bound' "$last" "$(cpus sleeper)"
ktap_ok_if '... and works' works sleeper
ktap_eq 'what has lost its CPU does not get it back' "$all $all $all $all" "$(cpus bound boundbeat parked late)"
ktap_eq 'a worker is bound to that CPU again' "OK $last" "$(control "run again cpu=$last") $(cpus again)"
percpu_ok_if 'the per-CPU thread runs again' percpu_runs

# Workers are created, woken and parked all the time.
rm -f /tmp/over
runs="$(value event runs) $(value again runs) $(value sleeper runs) $(value bound runs)"
given=0
(
	while [ ! -e /tmp/over ]; do
		do_all 'wake event' 'wake again' 'park parked' 'wake sleeper' 'unpark parked' 'wake bound' || exit 1
		given=$((given + 1))
		case $(control "run new cpu=$last") in
		OK) do_all 'wake new' 'stop new' || exit 1 ;;
		ENODEV) ;;
		*) exit 1 ;;
		esac
	done
	echo $given >/tmp/given
) &
busy=$!
plugged=0
while [ "$plugged" -lt "$count" ] && plug 0 && plug 1; do
	plugged=$((plugged + 1))
done
ktap_eq "CPU $last goes offline and online" "$count" "$plugged"
: >/tmp/over
wait $busy
ktap_eq 'all commands during hotplug succeed' 0 $?
given=$(cat /tmp/given)
rm -f /tmp/over /tmp/given
ktap_diag "$plugged times offline and online, $given rounds of commands"
ktap_ok_if 'which were some' [ "${given:-0}" -gt 0 ]
# shellcheck disable=SC2086 # Each is a word.
set -- $runs
for name in event again sleeper bound; do
	ktap_ok_if "$name has done what it was woken for" wait_for 10 is $name runs $(($1 + given))
	ktap_ok_if "$name works" works $name
	shift
done
ktap_ok_if 'a periodic worker works' beats beat
ktap_ok_if 'a periodic worker that was bound works' beats boundbeat
percpu_ok_if 'the per-CPU thread runs' percpu_runs

ktap_eq 'all can be stopped' 'OK 0' "$(control stop-all) $(total workers)"
demo_unload
[ -z "$percpu" ] || rmmod kthread_hotplug
calls="[0-9]* runs, $((count + 1)) parks, $((count + 1)) unparks, 0 elsewhere"
percpu_ok_if 'the per-CPU thread was parked each time, and was never elsewhere' \
	sh -c "dmesg | grep -q 'kthread_hotplug: $last: 1 setups, $calls'"
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
