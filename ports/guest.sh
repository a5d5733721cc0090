#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: gives each C user of kernel threads and its port the same work, and
# compares what comes of it.

. /tests/lib/ktap.sh

# has NAME: whether both sides of a port have been built.
has()
{
	modinfo "c_$1" >/dev/null 2>&1 && modinfo "rust_$1" >/dev/null 2>&1
}

# log_of COMMAND...: what the kernel logs meanwhile, without times and the two prefixes.
log_of()
{
	echo "ports: $*" >/dev/kmsg
	"$@" >/dev/null 2>&1
	dmesg | sed -n "/ports: $*\$/,\$p" | sed '1d; s/^\[[^]]*\] *\(\[[^]]*\] *\)*//; s/^\(rust_\|c_\)//'
}

# masked: standard input without its numbers.
masked()
{
	sed 's/[0-9][0-9]*/N/g'
}

tracing=/sys/kernel/tracing

# trace_of EVENT FILTER COMMAND...: what has been traced of an event meanwhile.
trace_of()
{
	_event=$tracing/events/$1
	echo "$2" >"$_event/filter"
	shift 2
	echo >$tracing/trace
	echo 1 >"$_event/enable"
	"$@" >/dev/null 2>&1
	echo 0 >"$_event/enable"
	grep -v '^#' $tracing/trace
}

# lib/test_workqueue.c

# The module refuses to stay, upon which modprobe of busybox tries once more.

# queued SIDE QUEUE: which thread queued how many works on which CPU, as the kernel traces it.
queued()
{
	trace_of workqueue/workqueue_queue_work "workqueue==\"$2\"" modprobe "$1_test_workqueue" nr_threads=2 wq_items=100 |
		awk '{ sub(/-[0-9]*$/, "", $1); count[$1 " " $2]++ } END { for (who in count) print who, count[who] }' | sort
}

test_workqueue()
{
	c=$(queued c bench_wq)
	rust=$(queued rust rust_bench_wq)
	ktap_eq 'test_workqueue: C queues from one thread on each CPU' "$(printf 'wq_bench/%d [00%d] 1200\n' 0 0 1 1)" "$c"
	ktap_eq 'test_workqueue: Rust queues the same' "$c" "$rust"

	c=$(log_of modprobe c_test_workqueue wq_items=1000)
	rust=$(log_of modprobe rust_test_workqueue wq_items=1000)
	ktap_diag "C:
$c
Rust:
$rust"
	ktap_eq 'test_workqueue: both report the same, but for the figures' "$(echo "$c" | masked)" "$(echo "$rust" | masked)"
	ktap_eq 'test_workqueue: a line for each scope' 14 "$(echo "$rust" | grep -c '^test_workqueue: ')"
	ktap_eq 'test_workqueue: no items are refused alike' "$(log_of modprobe c_test_workqueue wq_items=0)" \
		"$(log_of modprobe rust_test_workqueue wq_items=0)"
	ktap_eq 'test_workqueue: no workqueue is left' '' "$(cd /sys/bus/workqueue/devices && echo *bench* | grep -v '\*')"
}

mount -t tracefs tracefs $tracing 2>/dev/null
ktap_plan 6
test_workqueue
ktap_finished
