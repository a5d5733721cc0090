#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each module in samples/ does what its first lines say, and leaves nothing behind.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# logged MODULE TEXT: whether the module has logged TEXT.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
logged()
{
	dmesg | grep -q "\b$1: $2\$"
}

# said MODULE PATTERN: the module's last log line that matches.
said()
{
	dmesg | sed -n "s/.*\b$1: \($2\)\$/\1/p" | tail -n 1
}

# thread NAME: the PID of the kernel thread of that name.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
thread()
{
	ps -o pid,ppid,args | awk -v name="[$1]" '$2 == 2 && $3 == name { print $1 }'
}

# waited NAME TIMES: whether the thread has gone to sleep TIMES times.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
waited()
{
	[ "$(sed -n 's/^voluntary_ctxt_switches:\s*//p' "/proc/$(thread "$1")/status")" -ge "$2" ]
}

# available: the available memory in MiB.
available()
{
	awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo
}

# shellcheck disable=SC2317 # It is called by ktap_ok_if.
unused()
{
	[ "$(cat "/sys/module/$1/refcnt")" = 0 ]
}

ktap_needs_memory 128
ktap_plan 38

file=/sys/kernel/debug/kthread_request/requests
ktap_ok_if 'kthread_request loads' modprobe kthread_request
ktap_ok_if 'its thread sleeps' wait_for 10 thread_is server S
ktap_eq 'nothing is served that was not asked for' '' "$(said kthread_request 'request.*')"
echo >$file && echo >$file && echo >$file
ktap_ok_if 'three requests are served' wait_for 10 logged kthread_request 'request 3 is served'
ktap_eq 'none is pending' 'pending 0' "$(cat $file)"
ktap_ok_if 'its thread sleeps again' wait_for 10 thread_is server S
ktap_ok_if 'it unloads' rmmod kthread_request

limit=$(($(available) - 32))
ktap_ok_if 'kthread_monitor loads' modprobe kthread_monitor limit_mb=$limit
ktap_ok_if 'its thread looks, period by period' wait_for 10 waited monitor 5
ktap_eq 'there is nothing to say' '' "$(said kthread_monitor '.*')"
dd if=/dev/zero of=/tmp/fill bs=1M count=80 2>/dev/null
ktap_ok_if 'it says that there is too little memory' \
	wait_for 10 logged kthread_monitor '[0-9]* MiB available, too little'
ktap_ok_if 'that is below the limit' [ "$(said kthread_monitor '.*' | cut -d ' ' -f 1)" -lt $limit ]
rm /tmp/fill
ktap_ok_if 'and that it is enough again' wait_for 10 logged kthread_monitor '[0-9]* MiB available, enough again'
ktap_ok_if 'it unloads' rmmod kthread_monitor

ktap_ok_if 'kthread_producer loads' modprobe kthread_producer
ktap_ok_if 'the consumer waits for one item after the other' wait_for 10 waited consumer 7
ktap_ok_if 'it unloads' rmmod kthread_producer
produced=$(said kthread_producer 'produced [0-9]* items')
produced=${produced#produced }
produced=${produced% items}
ktap_ok_if 'items were produced' [ "$produced" -ge 3 ]
ktap_eq 'each of them was consumed' \
	"consumed $produced items, their sum is $((produced * (produced + 1) / 2))" \
	"$(said kthread_producer 'consumed.*')"

cpus=$(grep -c ^processor /proc/cpuinfo)
ktap_ok_if 'kthread_percpu loads' modprobe kthread_percpu
missing=
for cpu in $(seq 0 $((cpus - 1))); do
	wait_for 10 logged kthread_percpu "the thread of CPU $cpu works on CPU $cpu" || missing="$missing $cpu"
done
ktap_eq 'there is a thread on each CPU' '' "$missing"
if [ "$cpus" -lt 2 ]; then
	ktap_skip 'it follows when a CPU goes' 'needs two CPUs'
	ktap_skip 'and when it comes back' 'needs two CPUs'
else
	echo 0 >/sys/devices/system/cpu/cpu1/online
	ktap_eq 'it follows when a CPU goes' 'P CPU 1 goes offline' \
		"$(thread_state everywhere/1) $(said kthread_percpu 'CPU 1 .*')"
	echo 1 >/sys/devices/system/cpu/cpu1/online
	ktap_ok_if 'and when it comes back' wait_for 10 logged kthread_percpu 'CPU 1 is back'
fi
ktap_ok_if 'it unloads' rmmod kthread_percpu

ktap_ok_if 'kthread_worker loads' modprobe kthread_worker
ktap_ok_if 'its heart beats' wait_for 10 logged kthread_worker 'beat 3'
rmmod kthread_worker
beats=$(said kthread_worker 'beat [0-9]*')
ktap_match 'it takes back the next beat when it unloads' "stopped after ${beats#beat } beats, *" \
	"$(said kthread_worker 'stopped.*')"

modprobe kthread_scope
ktap_eq 'kthread_scope: what its threads give is there when it is loaded' 'the sum of 1 to 100 is 5050' \
	"$(said kthread_scope '.*')"
rmmod kthread_scope

file=/sys/kernel/debug/kthread_detached/job
modprobe kthread_detached
echo >$file
ktap_ok_if 'kthread_detached: its thread runs' wait_for 10 logged kthread_detached 'the job begins'
ktap_match 'the module does not unload during that time' '*Resource temporarily unavailable' \
	"$(rmmod kthread_detached 2>&1)"
echo >$file
wait_for 10 unused kthread_detached
ktap_eq 'it can once the thread has ended' 'the job is done 0' \
	"$(said kthread_detached '.*') $(rmmod kthread_detached 2>&1 && echo 0)"

ktap_ok_if 'kthread_oneshot loads' modprobe kthread_oneshot addresses=3
ktap_ok_if 'its thread, begun by the load, does what it is to' wait_for 10 logged kthread_oneshot 'looked at 3 addresses'
ktap_ok_if 'it unloads' rmmod kthread_oneshot
modprobe kthread_oneshot addresses=1000000
ktap_eq 'it unloads while the thread runs, which ends' '0 gave up' \
	"$(rmmod kthread_oneshot 2>&1 && echo 0) $(said kthread_oneshot '.*')"
ktap_match 'a load that fails after the thread was begun' '*No such device*' \
	"$(modprobe kthread_oneshot addresses=1000000 fail=1 2>&1)"
# busybox rmmod tries twice.
ktap_ok_if 'ends the thread' [ "$(dmesg | grep -c 'kthread_oneshot: gave up$')" -gt 1 ]

/bin/modprobe kthread_mm
ktap_eq 'kthread_mm: its thread reads the memory of who loads it' 'loaded by: /bin/modprobe kthread_mm ' \
	"$(said kthread_mm '.*')"
rmmod kthread_mm

ktap_finished
