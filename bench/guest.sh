#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest for run.py, and prints what was measured, a line each:
#
#	sample SIDE OPERATION N NS
#
# where an operation that was done N times took NS of the guest's clock.

BENCH=/sys/kernel/debug/kthread_bench

# samples OPERATION: how many there are to be, and of how many repetitions. Each is
# long beside what the tick costs, and short beside the time between two of them.
samples()
{
	count=15
	case $1 in
	complete_wait | should_stop | stats_update | histogram_record) n=5000 ;;
	delayed_*) n=500 ;;
	park_unpark | ping_pong | queue_flush | stats_read | workqueue_queue) n=100 ;;
	*) n=100 ;;
	esac
}

# run SIDE OPERATION N: does it, and leaves in $ns what it took.
run()
{
	case $2 in
	stats_read) ns=$(cost read "$(stats_file "$1")" "$3") || exit 1 ;;
	*)
		if [ "$1" = user ]; then
			ns=$(cost "$2" "$3") || exit 1
		else
			echo "$1 $2 $3" > "$BENCH/run" || exit 1
			read -r ns < "$BENCH/run"
		fi
		;;
	esac
}

stats_file()
{
	case $1 in
	c) echo "$BENCH/stats_c" ;;
	*) echo "${BENCH}_rust/stats" ;;
	esac
}

# measure OPERATION SIDE...: the sides take turns, and begin with one to warm up.
measure()
{
	op=$1
	shift
	echo "$op: $*" >&2
	samples "$op"
	for side; do
		run "$side" "$op" "$n"
	done
	while [ "$count" -gt 0 ]; do
		for side; do
			run "$side" "$op" "$n"
			echo "sample $side $op $n $ns"
		done
		count=$((count - 1))
	done
}

modprobe kthread_bench || exit 1

# What both sides have, in the order in which the table shows it.
operations=$(cat "$BENCH/operations")
has()
{
	printf '%s\n' "$operations" | grep -qx "$1 $2"
}
for op in $(printf '%s\n' "$operations" | sed -n 's/^c //p'); do
	if has rust "$op"; then
		measure "$op" c rust
	else
		measure "$op" c
	fi
done
measure stats_read c rust
for op in $(printf '%s\n' "$operations" | sed -n 's/^rust //p'); do
	has c "$op" || measure "$op" rust
done

# What user space offers instead.
for op in $(cost list); do
	measure "$op" user
done

rmmod kthread_bench || exit 1
