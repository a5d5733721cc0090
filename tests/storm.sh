#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-timeout: 60
#
# All operations on handles of threads, workers and per-CPU threads, concurrently and at
# random, while a CPU goes offline and online, signals arrive and tasks are frozen.
# STORM_SEED in the environment repeats a storm, except for its timing, and STORM_SECONDS
# makes it longer.

. "$(dirname "$0")/lib/ktap.sh"

seed=${STORM_SEED:-1}
slowness=${KSFT_SLOWNESS:-1}
seconds=${STORM_SECONDS:-$((5 * slowness))}
# Pause between disturbances, in microseconds, to leave time for the storm.
lull=$((50000 * slowness))
last=$(($(nproc) - 1))
switch=/sys/devices/system/cpu/cpu$last/online
delay=/sys/module/suspend/parameters/pm_test_delay
place=/tmp/storm
pid_max=/proc/sys/kernel/pid_max

# count NAME N: publishes the number of repetitions.
count()
{
	echo "$2" >"$place/$1.new"
	mv "$place/$1.new" "$place/$1"
}

# plug 0|1: takes the last CPU offline or online. Fails while tasks are being frozen.
plug()
{
	until echo "$1" 2>/dev/null >"$switch"; do
		[ "$(cat "$switch")" != "$1" ] || return 0
		[ ! -e $place/over ] || [ "$1" = 1 ] || return 0
		usleep 10000
	done
}

# plug_always: takes the last CPU offline and online until the storm is over.
plug_always()
{
	plugged=0
	while [ ! -e $place/over ]; do
		plug 0
		plug 1
		plugged=$((plugged + 1))
		count plugged $plugged
		usleep $lull
	done
}

# freeze_always: freezes and thaws all freezable tasks until the storm is over.
freeze_always()
{
	frozen=0
	while [ ! -e $place/over ]; do
		echo mem >/sys/power/state || return
		frozen=$((frozen + 1))
		count frozen $frozen
		usleep $lull
	done
}

# with_threads COMMAND...: calls it with PID and name of each thread of the storm. Forks no process.
with_threads()
{
	for comm in /proc/[0-9]*/comm; do
		pid=${comm#/proc/}
		pid=${pid%/comm}
		# Skip older processes; others may exit at any time.
		[ "$pid" -ge "${main:-3}" ] || continue
		{
			read -r name <"$comm"
		} 2>/dev/null || continue
		case $name in
		storm-*)
			"$@" "$pid" "$name"
			;;
		esac
	done
}

# threads: the PIDs and names of the threads of the storm.
threads()
{
	with_threads echo
}

# signal PID NAME: sends a thread signals that it has to ignore.
# shellcheck disable=SC2317 # It is called by with_threads.
signal()
{
	for signal in STOP CONT KILL TERM; do
		kill "-$signal" "$1" 2>/dev/null && signals=$((signals + 1))
	done
}

# signal_always: sends signals to all threads until the storm is over.
signal_always()
{
	signals=0
	while [ ! -e $place/over ]; do
		with_threads signal
		count signals $signals
		usleep $lull
	done
}

# load SECONDS: loads the module, and sets $main to the thread that runs the storm.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
load()
{
	main=
	modprobe kthread_storm seed="$seed" milliseconds=$(($1 * 1000)) || return
	main=$(threads | sed -n 's/ storm-main$//p')
}

# said: the log of the module since it was loaded.
said()
{
	dmesg | sed -n 's/.*kthread_storm: //p' | awk '/^seed / { text = "" } { text = text $0 "\n" } END { printf "%s", text }'
}

# is_over: whether the thread that runs the storm has ended.
# shellcheck disable=SC2317 # It is called by wait_for.
is_over()
{
	[ ! -d "/proc/$main" ]
}

# show PID NAME: prints the stack of a thread.
# shellcheck disable=SC2317 # It is called by with_threads.
show()
{
	ktap_diag "$2 ($1): $(sed 's/.*] //; s/+.*//' "/proc/$1/stack" 2>/dev/null | xargs)"
}

# is_at_work: whether there are threads in the group of the storm.
# shellcheck disable=SC2317 # It is called by wait_for.
is_at_work()
{
	threads | grep -q ' storm-[0-9]'
}

[ -n "$(find "/lib/modules/$(uname -r)/" -name 'kthread_storm.ko*')" ] ||
	ktap_skip_all 'there is no module kthread_storm: KTHREAD_TESTS=1 makes it'

ktap_plan 14
ktap_diag "seed $seed, $seconds seconds"
mkdir $place
for what in plugged frozen signals; do
	count $what 0
done

# PIDs must not be reused while a signal is on its way.
old_max=$(cat $pid_max)
echo 4194304 >$pid_max

ktap_ok_if 'the module loads' load "$seconds"
plugger=
if [ "$last" -gt 0 ] && [ -w "$switch" ]; then
	plug_always &
	plugger=$!
fi
freezer=
if grep -q freezer /sys/power/pm_test 2>/dev/null; then
	old_test=$(sed 's/.*\[\(.*\)\].*/\1/' /sys/power/pm_test)
	old_delay=$(cat $delay)
	echo freezer >/sys/power/pm_test
	echo 0 >$delay
	freeze_always &
	freezer=$!
fi
signal_always &
signaller=$!

ktap_ok_if 'the storm ends' wait_for $((seconds / slowness + 20)) is_over
ended=$?
: >$place/over
if [ $ended -ne 0 ]; then
	ktap_diag "$(said)"
	with_threads show
	ktap_bail 'the threads above wait for each other, or for nothing'
fi
wait $signaller
ktap_ok_if 'there were signals during the storm' [ "$(cat $place/signals)" -gt 0 ]
if [ -n "$plugger" ]; then
	wait "$plugger"
	ktap_ok_if "CPU $last went offline and online during the storm" [ "$(cat $place/plugged)" -gt 0 ]
else
	ktap_skip 'a CPU went offline and online during the storm' 'no CPU can'
fi
if [ -n "$freezer" ]; then
	wait "$freezer"
	ktap_eq 'tasks were frozen during the storm, each time' 0 $?
	echo "$old_test" >/sys/power/pm_test
	echo "$old_delay" >$delay
else
	ktap_skip 'tasks were frozen during the storm' 'needs CONFIG_PM_DEBUG and CONFIG_SUSPEND'
fi

said >$place/said
ktap_diag "$(grep -v '^second ' $place/said)"
ktap_diag "during the storm: CPU $last $(cat $place/plugged) times offline, $(cat $place/frozen) times frozen," \
	"$(cat $place/signals) signals"
ktap_match 'nothing was as it must not be' "over: seed $seed, *, 0 faults" "$(tail -n 1 $place/said)"
ktap_eq 'all that was made is dropped' '8 0' \
	"$(awk '/^made / { n++; if ($3 + 0 != $5 + 0) wrong++ } END { print n + 0, wrong + 0 }' $place/said)"
half='when groups were dropped, about half of those who waited did so in foreign waits'
never=$(sed -n 's/^did \(.*\) 0$/\1/p' $place/said | xargs)
operations=$(sed -n 's/^over: .* \([0-9]*\) operations.*/\1/p' $place/said)
if [ "${operations:-0}" -ge 30000 ]; then
	ktap_eq 'all has been done that can be done' '' "$never"
	ktap_eq "$half" 1 "$(awk '/^caught / { print ($3 * 4 >= $3 + $5 && $5 * 4 >= $3 + $5) }' $place/said)"
else
	ktap_skip 'all has been done that can be done' "only $operations operations: not done is ${never:-nothing}"
	ktap_skip "$half" "only $operations operations"
fi
ktap_ok_if 'the module can be unloaded' wait_for 10 rmmod kthread_storm

# rmmod fails while a detached thread holds the module.
ktap_ok_if 'the module loads again' load 600
ktap_ok_if 'it can be unloaded in the midst of the storm' eval \
	'wait_for 20 is_at_work && wait_for 20 rmmod kthread_storm'
said >$place/said
ktap_match 'nothing was as it must not be' "over: seed $seed, *, 0 faults" "$(tail -n 1 $place/said)"
main=
ktap_eq 'no thread is left' '' "$(threads)"

echo "$old_max" >$pid_max
rm -r $place
ktap_finished
