#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-timeout: 120
#
# Runs in the guest: gives each C user of kernel threads and its port the same work, and
# compares the results.

# Functions are called by ktap_ok_if and wait_for, and awk has dollars.
# shellcheck disable=SC2317,SC2016

. /tests/lib/ktap.sh

# log_of PATTERN COMMAND...: the matching lines of the kernel log during COMMAND, without times and prefixes.
log_of()
{
	_pattern=$1
	shift
	echo "ports: $*" >/dev/kmsg
	"$@" >/dev/null 2>&1
	dmesg | sed -n "/ports: $*\$/,\$p" | sed '1d; s/^\[[^]]*\] *\(\[[^]]*\] *\)*//; s/^\(rust_\|c_\)//' | grep "$_pattern"
}

# masked: standard input without numbers.
masked()
{
	sed 's/[0-9][0-9]*/N/g'
}

# pid_of THREAD
pid_of()
{
	grep -lx "$1" /proc/[0-9]*/comm | cut -d / -f 3
}

# policy_of THREAD: its policy and its real-time priority.
policy_of()
{
	# Fields 40 and 41, which are 38 and 39 without PID and name.
	sed 's/.*) //' "/proc/$(pid_of "$1")/stat" | awk '{ print $39, $38 }'
}

# nice_of THREAD
nice_of()
{
	# Field 19.
	sed 's/.*) //' "/proc/$(pid_of "$1")/stat" | awk '{ print $17 }'
}

# trace_of EVENT FILTER COMMAND...: the trace of an event during COMMAND.
trace_of()
{
	_event=events/$1
	echo "$2" >"$_event/filter"
	shift 2
	echo >trace
	echo 1 >"$_event/enable"
	"$@" >/dev/null 2>&1
	echo 0 >"$_event/enable"
	grep -v '^#' trace
}

# drivers/char/hw_random/core.c

# fed THREAD: the traced data that a thread has fed: number of bytes, the first eight, bits of entropy.
fed()
{
	sed -n "s/^ *$1-[0-9].* len=\([^ ]*\) first=\([^ ]*\) entropy=\([^ ]*\)/\1 \2 \3/p" trace
}

fed_at_least()
{
	[ "$(fed "$1" | grep -c .)" -ge "$2" ]
}

# sleeps THREAD: whether it is in a long wait.
sleeps()
{
	grep -q '^State:.S' "/proc/$(pid_of "$1")/status"
}

# ends_soon MODULE: whether its removal takes less than half of the time that its thread would sleep.
ends_soon()
{
	read -r begin _ </proc/uptime
	rmmod "$1" || return 1
	read -r end _ </proc/uptime
	ktap_diag "removed between $begin and $end"
	echo "$begin $end" | awk '{ half = $1 / 4 < 5 ? $1 / 4 : 5; exit $2 - $1 >= half }'
}

hwrng()
{
	echo 'p:hwrng add_hwgenerator_randomness len=$arg2:u64 first=+0($arg1):x64 entropy=$arg3:u64' >kprobe_events
	echo >trace
	echo 1 >events/kprobes/hwrng/enable
	modprobe c_hwrng_source quality=1
	modprobe rust_hwrng quality=1
	ktap_ok_if 'hwrng: C feeds' wait_for 20 fed_at_least hwrng 3
	ktap_ok_if 'hwrng: Rust feeds' wait_for 20 fed_at_least rust_hwrng 3
	c=$(fed hwrng | head -n 3)
	rust=$(fed rust_hwrng | head -n 3)
	# C credits a remainder again each time.
	ktap_eq 'hwrng: both feed the same until half a bit was kept' "$(echo "$c" | head -n 2)" "$(echo "$rust" | head -n 2)"
	ktap_eq 'hwrng: and then the same bytes' "$(echo "$c" | cut -d ' ' -f 1,2)" "$(echo "$rust" | cut -d ' ' -f 1,2)"
	ktap_eq 'hwrng: Rust credits one bit for two halves' '0 1 0' "$(echo "$rust" | cut -d ' ' -f 3 | xargs)"
	ktap_diag "C credits $(echo "$c" | cut -d ' ' -f 3 | xargs)"
	rmmod c_hwrng_source rust_hwrng

	# The kernel wants no more for half of its uptime.
	wait_for 10 awk '{ exit $1 < 6 }' /proc/uptime
	echo >trace
	modprobe c_hwrng_source quality=1024
	modprobe rust_hwrng quality=1024
	wait_for 10 fed_at_least hwrng 1
	wait_for 10 fed_at_least rust_hwrng 1
	ktap_ok_if 'hwrng: C is stopped while the kernel has enough' ends_soon c_hwrng_source
	ktap_ok_if 'hwrng: Rust is stopped while the kernel has enough' ends_soon rust_hwrng
	ktap_eq 'hwrng: both have credited as much' "$(fed hwrng | cut -d ' ' -f 3)" "$(fed rust_hwrng | cut -d ' ' -f 3)"
	ktap_eq 'hwrng: that is all the bits' 512 "$(fed rust_hwrng | cut -d ' ' -f 3)"

	echo >trace
	modprobe c_hwrng_source length=0
	modprobe rust_hwrng length=0
	wait_for 10 sleeps hwrng
	wait_for 10 sleeps rust_hwrng
	ktap_ok_if 'hwrng: C is stopped while its source has nothing' ends_soon c_hwrng_source
	ktap_ok_if 'hwrng: Rust is stopped while its source has nothing' ends_soon rust_hwrng
	ktap_eq 'hwrng: neither feeds what it does not have' '' "$(fed hwrng)$(fed rust_hwrng)"
	rmmod c_hwrng
	echo 0 >events/kprobes/hwrng/enable
	echo >kprobe_events
}

# drivers/net/wireless/mediatek/mt76/util.c

mt76()
{
	expected='mt76: 100 schedules, 100 runs, 0 lost
mt76: disabled 100 times, 0 runs while disabled, 0 lost
mt76: scheduled 100 times while disabled, 0 lost'
	ktap_eq 'mt76: in C nothing runs while it is disabled, and nothing is lost' "$expected" "$(log_of '^mt76: ' modprobe c_mt76)"
	ktap_eq 'mt76: nor in Rust' "$expected" "$(log_of '^mt76: ' modprobe rust_mt76)"
	c=$(policy_of 'mt76-tx phy0')
	ktap_match 'mt76: C runs as FIFO at a low priority' '1 1' "$c"
	ktap_eq 'mt76: and so does Rust' "$c" "$(policy_of 'mt76-tx rust0')"
	rmmod c_mt76 rust_mt76
}

# fs/ecryptfs/kthread.c

# opens COMM: the times at which the thread has opened a file.
opens()
{
	sed -n "s/^ *$1-[0-9].* \([0-9.]*\): opens: .*/\1/p" trace
}

# rests COMM: whether it has opened no file for two seconds.
rests()
{
	opens "$1" | awk 'NR > 1 && $1 - last > longest { longest = $1 - last } { last = $1 } END { exit longest < 1.9 }'
}

# goes_on COMM: whether it has opened a file since the trace was cleared.
goes_on()
{
	grep -q "^ *$1-" trace
}

ecryptfs()
{
	echo top secret >/tmp/secret
	# Unprivileged tasks are not able to open files any more; the kernel's count of open files is approximate.
	read -r max </proc/sys/fs/file-max
	echo 0 >/proc/sys/fs/file-max
	echo 'p:opens dentry_open' >kprobe_events
	echo 'comm == "ecryptfs-kthrea" || comm == "rust-ecryptfs"' >events/kprobes/opens/filter
	echo 1 >events/kprobes/opens/enable
	echo >trace
	c=$(log_of '^ecryptfs: ' modprobe c_ecryptfs)
	ktap_eq 'ecryptfs: in C one may not do what the thread does' 'ecryptfs: without the thread: -23' "$c"
	ktap_eq 'ecryptfs: nor in Rust' "$c" "$(log_of '^ecryptfs: ' modprobe rust_ecryptfs)"
	ktap_ok_if 'ecryptfs: C opens it' wait_for 10 goes_on ecryptfs-kthrea
	ktap_ok_if 'ecryptfs: Rust opens it' wait_for 10 goes_on rust-ecryptfs

	echo >trace
	# Drop the events from before the rest.
	wait_for 10 goes_on ecryptfs-kthrea
	wait_for 10 goes_on rust-ecryptfs
	echo freezer >/sys/power/pm_test
	echo 2 >/sys/module/suspend/parameters/pm_test_delay
	ktap_ok_if 'ecryptfs: both are frozen' sh -c 'echo mem >/sys/power/state'
	ktap_ok_if 'ecryptfs: while frozen, C opens nothing' rests ecryptfs-kthrea
	ktap_ok_if 'ecryptfs: nor does Rust' rests rust-ecryptfs
	echo >trace
	ktap_ok_if 'ecryptfs: C goes on' wait_for 10 goes_on ecryptfs-kthrea
	ktap_ok_if 'ecryptfs: Rust goes on' wait_for 10 goes_on rust-ecryptfs
	echo none >/sys/power/pm_test

	c=$(log_of '^ecryptfs: ' rmmod c_ecryptfs)
	ktap_eq 'ecryptfs: in C all are answered at unload' \
		'ecryptfs: of 4 clients 4 opened it, 4 were refused at last, 0 failed' "$c"
	ktap_eq 'ecryptfs: and in Rust' "$c" "$(log_of '^ecryptfs: ' rmmod rust_ecryptfs)"
	echo "$max" >/proc/sys/fs/file-max
	echo 0 >events/kprobes/opens/enable
	echo >kprobe_events
}

# kernel/locking/locktorture.c

# torture COMMAND MODULE...
torture()
{
	"$@" && sleep 2.5 && rmmod "$2"
}

# tortured COMM COMMAND MODULE...: threads of that name torture a lock for two seconds. Sets $log to
# the log, and $events to the times when one of them started to run or changed its policy.
tortured()
{
	comm=$1
	shift
	echo "next_comm == \"$comm\"" >events/sched/sched_switch/filter
	echo "comm == \"$comm\"" >events/kprobes/filter
	echo >trace
	echo 1 >events/kprobes/enable
	echo 1 >events/sched/sched_switch/enable
	log=$(log_of '[Tt]est:\|Total:' torture "$@")
	echo 0 >events/sched/sched_switch/enable
	echo 0 >events/kprobes/enable
	events=$(sed -n 's/.* \([0-9.]*\): \([a-z_]*\): .*/\1 \2/p' trace)
	ktap_diag "$2: $(echo "$log" | grep Total: | tail -n 1)"
}

# well NAME: whether the lock was exclusive, and the test ran to its end.
well()
{
	ktap_eq "$1: nobody else had the lock" '' "$(echo "$log" | grep Total: | grep -v 'Fail: 0')"
	ktap_match "$1: it was reported, and ended well" '*Total: [1-9]*Total: [1-9]*End of test: SUCCESS*' "$log"
}

# boosted: whether writers became real-time threads and ordinary ones again.
boosted()
{
	echo "$events" | awk '{ seen[$2]++ } END { print (seen["fifo"] > 0), (seen["normal"] > 0) }'
}

# paused: whether none of them ran for the length of a pause.
paused()
{
	echo "$events" | awk 'NR > 1 && $1 - last > longest { longest = $1 - last } { last = $1 } END { print (longest > .15) }'
}

locktorture()
{
	echo 'p:fifo sched_set_fifo' >kprobe_events
	echo 'p:normal sched_set_normal' >>kprobe_events
	for lock in spin_lock mutex_lock; do
		tortured lock_torture_wr modprobe c_locktorture torture_type="$lock" nwriters_stress=4 long_hold=10 \
			rt_boost_factor=20 stat_interval=1 stutter=20 shuffle_interval=0 verbose=0
		well "locktorture: $lock in C"
		c="$(boosted) $(paused)"
		tortured rust_torture_wr modprobe rust_locktorture mutex="$([ "$lock" = mutex_lock ] && echo 1 || echo 0)" \
			nwriters_stress=4 long_hold=10 rt_boost_factor=20 stat_interval=1 stutter_ms=200
		well "locktorture: $lock in Rust"
		ktap_eq "locktorture: $lock in C is taken by real-time threads and others, with pauses" '1 1 1' "$c"
		ktap_eq "locktorture: $lock in Rust as well" "$c" "$(boosted) $(paused)"
	done
	rmmod c_torture
	echo >kprobe_events
}

# kernel/trace/ring_buffer_benchmark.c

# benchmarked KEY: the values of both runs of C, from its trace, or with rust_ those of Rust, from the log.
benchmarked()
{
	sed -n "s/^ *rb_producer-.*: $1: *\([0-9]*\)\( *(by \([a-z]*\))\)*/\1 \3/p" trace | head -n 2
}

rust_benchmarked()
{
	dmesg | sed -n "s/.*rust_ring_buffer_benchmark: $1: *\([0-9]*\)\( *(by \([a-z]*\))\)*/\1 \3/p" | head -n 2
}

# have_run: whether both have run twice.
have_run()
{
	[ "$(benchmarked Hit | grep -c .)" = 2 ] && [ "$(rust_benchmarked Hit | grep -c .)" = 2 ]
}

# complete FUNCTION: whether in both runs each event was read, overwritten, or is left.
complete()
{
	[ "$($1 Total)" = "$($1 Hit)" ] && [ "$($1 Missed | xargs)" = '0 0' ]
}

# read_by FUNCTION: the way of reading in each run with reads.
read_by()
{
	$1 Read | awk '$1 > 0 { print $2 }' | xargs
}

ring_buffer_benchmark()
{
	echo >trace
	modprobe c_ring_buffer_benchmark
	modprobe rust_ring_buffer_benchmark run_ms=1000 sleep_ms=1000
	ktap_ok_if 'ring_buffer_benchmark: both write twice' wait_for 20 have_run
	ktap_eq 'ring_buffer_benchmark: C runs at the least priority' 19 "$(nice_of rb_producer)"
	ktap_eq 'ring_buffer_benchmark: and Rust' '19 19' "$(nice_of rust_producer) $(nice_of rust_consumer)"
	ktap_ok_if 'ring_buffer_benchmark: C has lost nothing' complete benchmarked
	ktap_ok_if 'ring_buffer_benchmark: nor has Rust' complete rust_benchmarked
	ktap_eq 'ring_buffer_benchmark: C reads events and pages' 'events pages' "$(read_by benchmarked)"
	ktap_eq 'ring_buffer_benchmark: and Rust' 'events pages' "$(read_by rust_benchmarked)"
	ktap_eq 'ring_buffer_benchmark: no event was wrong' '' "$(dmesg | grep 'rust_ring_buffer_benchmark: ERROR')$(grep 'ERROR!' trace)"
	for key in Hit Read; do
		ktap_diag "$key: C $(benchmarked "$key" | xargs), Rust $(rust_benchmarked "$key" | xargs)"
	done
	ktap_ok_if 'ring_buffer_benchmark: both are unloaded' rmmod c_ring_buffer_benchmark rust_ring_buffer_benchmark
}

# lib/test_workqueue.c

# The module refuses to stay loaded, so busybox modprobe tries once more.

# queued SIDE QUEUE: the number of work items that each thread queued on each CPU, from the trace.
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

	c=$(log_of '^test_workqueue: ' modprobe c_test_workqueue wq_items=1000)
	rust=$(log_of '^test_workqueue: ' modprobe rust_test_workqueue wq_items=1000)
	ktap_diag "C:
$c
Rust:
$rust"
	ktap_eq 'test_workqueue: both report the same, but for the figures' "$(echo "$c" | masked)" "$(echo "$rust" | masked)"
	ktap_eq 'test_workqueue: a line for each scope' 14 "$(echo "$rust" | grep -c '^test_workqueue: ')"
	ktap_eq 'test_workqueue: no items are refused alike' "$(log_of '^test_workqueue: ' modprobe c_test_workqueue wq_items=0)" \
		"$(log_of '^test_workqueue: ' modprobe rust_test_workqueue wq_items=0)"
	ktap_eq 'test_workqueue: no workqueue is left' '' "$(cd /sys/bus/workqueue/devices && echo *bench* | grep -v '\*')"
}

# port NAME COUNT: compares a port, with COUNT results, if both sides exist.
port()
{
	if [ -f "/lib/modules/$(uname -r)/c_$1.ko" ] && [ -f "/lib/modules/$(uname -r)/rust_$1.ko" ]; then
		"$1"
		return
	fi
	left=$2
	while [ "$left" -gt 0 ]; do
		ktap_skip "$1: comparison $left" 'this kernel has it built in, lacks an option for it, or is without its source'
		left=$((left - 1))
	done
}

mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
cd /sys/kernel/tracing || exit 1
ktap_plan 54
# hwrng comes first, as the kernel asks for less entropy over time.
port hwrng 12
port mt76 4
port ecryptfs 11
port locktorture 12
port ring_buffer_benchmark 9
port test_workqueue 6
ktap_finished
