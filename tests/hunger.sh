#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Threads that the kernel can not make: too many tasks, and a writer that is killed
# while it waits for kthreadd. After each the workers are as they were.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# pool: all that a worker that can not be made must leave alone.
pool()
{
	grep -v -e ^commands -e ^create_failed "$DEMO/stats"
	workers
}

# waits_in_write PID: whether a process waits in a write(2), system call 1.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
waits_in_write()
{
	read -r line < "/proc/$1/syscall" && [ "${line%% *}" = 1 ]
}

ktap_plan 13

demo_load workers=0
do_all 'run a' 'create b' 'run c' 'park c'
before=$(pool)

# With that many, not even a shell can start a process. Its own commands do.
threads_max=$(cat /proc/sys/kernel/threads-max)
{
	echo 1 > /proc/sys/kernel/threads-max
	made=0
	echo 'create d' > "$DEMO/control" && made=1
	echo 'run e cpu=0' > "$DEMO/control" && made=1
	echo "$threads_max" > /proc/sys/kernel/threads-max
} 2> /tmp/errors
ktap_eq 'too many tasks: nothing is made' 0 $made
ktap_eq 'EAGAIN' 2 "$(grep -c 'Resource temporarily unavailable' /tmp/errors)"
rm /tmp/errors
ktap_eq 'the workers are as before' "$before" "$(pool)"
ktap_eq 'it is counted' '2 2' "$(total create_failed) $(total commands_rejected)"
ktap_eq 'the name is free' OK "$(control create d)"
do_all 'stop d'
before=$(pool)

# kthreadd does not get the only CPU that it may run on.
if [ "$(nproc)" -lt 2 ]; then
	for name in 'the writer waits' 'it ends when it is killed' 'nothing is made' 'it is counted' \
		'the name is free' 'the worker works'; do
		ktap_skip "$name" 'needs two CPUs'
	done
else
	starve 1
	sched 2 2 0 1
	sh -c 'echo "create d" > "$0"' "$DEMO/control" &
	creator=$!
	ktap_ok_if 'the writer waits' wait_for 10 waits_in_write $creator
	kill -KILL $creator
	wait $creator
	ktap_eq 'it ends when it is killed' 137 $?
	ktap_eq 'nothing is made' "$before" "$(pool)"
	ktap_eq 'it is counted' '3 3' "$(total create_failed) $(total commands_rejected)"
	sched 2 $(((1 << $(nproc)) - 1)) 0 0
	feed
	ktap_eq 'the name is free' OK "$(control run d)"
	do_all 'wake d'
	ktap_ok_if 'the worker works' wait_for 10 is d runs 1
fi

do_all stop-all
ktap_eq 'the totals add up' "0 $(total created)" "$(total workers) $(total stopped)"
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
