#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Threads that the kernel fails to create: too many tasks, and a writer or a load that is
# killed while it waits for kthreadd. After each failure everything is as before.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# pool: everything that a failed creation must not change.
pool()
{
	grep -v -e ^commands -e ^create_failed "$DEMO/stats"
	workers
}

# waits PID: whether a process waits for kthreadd to make a thread.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
waits()
{
	grep -q kthread_create_on_node "/proc/$1/wchan"
}

# starve_kthreadd: keeps kthreadd off the only CPU that it may run on.
starve_kthreadd()
{
	starve 1
	sched 2 2 0 1
}

feed_kthreadd()
{
	# Not nproc, which counts the CPUs of this shell, and starve has changed these.
	sched 2 "$demo_cpus" 0 0
	feed
}

ktap_plan 20

demo_load workers=0
do_all 'run a' 'create b' 'run c' 'park c'
before=$(pool)

# At this limit the shell is not able to start a process, so use builtins.
threads_max=$(cat /proc/sys/kernel/threads-max)
{
	echo 1 >/proc/sys/kernel/threads-max
	made=0
	echo 'create d' >"$DEMO/control" && made=1
	echo 'run e cpu=0' >"$DEMO/control" && made=1
	echo "$threads_max" >/proc/sys/kernel/threads-max
} 2>/tmp/errors
ktap_eq 'too many tasks: nothing is made' 0 $made
ktap_eq 'EAGAIN' 2 "$(grep -c 'Resource temporarily unavailable' /tmp/errors)"
rm /tmp/errors
ktap_eq 'the workers are as before' "$before" "$(pool)"
ktap_eq 'it is counted' '2 2' "$(total create_failed) $(total commands_rejected)"
ktap_eq 'the name is free' OK "$(control create d)"
do_all 'stop d'
before=$(pool)

if [ "$(nproc)" -lt 2 ]; then
	ktap_skip_each 'needs two CPUs' \
		'the writer waits' 'the module does not go at that time' 'it ends when it is killed' 'nothing is made' 'it is counted' \
		'the name is free' 'the worker works' 'no other thread stays'
else
	starve_kthreadd
	sh -c 'echo "create d" > "$0"' "$DEMO/control" &
	creator=$!
	ktap_ok_if 'the writer waits' wait_for 10 waits $creator
	error=$(rmmod "$MODULE" 2>&1)
	ktap_match 'the module does not go at that time' '*Resource temporarily unavailable*' "$error"
	kill -KILL $creator
	wait $creator
	ktap_eq 'it ends when it is killed' 137 $?
	ktap_eq 'nothing is made' "$before" "$(pool)"
	ktap_eq 'it is counted' '3 3' "$(total create_failed) $(total commands_rejected)"
	feed_kthreadd
	ktap_eq 'the name is free' OK "$(control run d)"
	do_all 'wake d'
	ktap_ok_if 'the worker works' wait_for 10 is d runs 1
	# kthreadd finishes the request for the first d before that for the second.
	ktap_ok_if 'no other thread stays' wait_for 10 thread_is d S
fi

do_all stop-all
ktap_eq 'the totals add up' "0 $(total created)" "$(total workers) $(total stopped)"
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone

if [ "$(nproc)" -lt 2 ]; then
	ktap_skip_each 'needs two CPUs' \
		'a load waits' 'it ends when it is killed' 'nothing is left of it' 'the next load works' \
		'no other thread stays'
else
	starve_kthreadd
	modprobe "$MODULE" workers=1 &
	loader=$!
	ktap_ok_if 'a load waits' wait_for 10 waits $loader
	kill -KILL $loader
	wait $loader
	ktap_eq 'it ends when it is killed' 137 $?
	ktap_ok_if 'nothing is left of it' demo_is_gone
	feed_kthreadd
	ktap_ok_if 'the next load works' demo_load workers=1
	ktap_ok_if 'no other thread stays' wait_for 10 thread_is w0 S
	demo_unload
fi
ktap_finished
