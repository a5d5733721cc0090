#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest for run.py, and prints a line for each measurement:
#
#	sample SIDE OPERATION N NS
#	wake SIDE N NS...
#	scale SIDE N FIGURES
#	unload N NS
#	latency LINE OF THE DEMO'S FILE
#
# where N repetitions of an operation took NS of the guest's clock. twin.c and
# programs/cost.c describe the figures. Of N wake-ups, the NS are the times that 0, 10,
# 25, 50, 75, 90, 99 and 100 % of them took at most. With PAIRS set, only what both sides
# have is measured.

BENCH=/sys/kernel/debug/kthread_bench

# samples OPERATION: sets the number of samples, and of repetitions in each. A sample
# is long compared with the cost of a tick, and short compared with its period.
samples()
{
	count=15 n=100
	case $1 in
	complete_wait | should_stop | stats_update | histogram_record) n=5000 ;;
	delayed_mod) n=500 ;;
	# The cost of a timer depends on the time since the last tick, so take many.
	*delayed_cancel) n=25000 ;;
	stats_read) count=101 ;;
	# These create tasks, and also free what earlier ones have left.
	create* | spawn_* | plain_run_* | pthread_* | fork_* | clone_*) count=61 n=50 ;;
	esac
}

# run SIDE OPERATION N: runs it, and sets $ns to the time it took.
run()
{
	case $2 in
	stats_read) ns=$(cost read "$(stats_file "$1")" "$3") || exit 1 ;;
	*)
		if [ "$1" = user ]; then
			ns=$(cost "$2" "$3") || exit 1
		else
			echo "$1 $2 $3" >"$BENCH/run" || exit 1
			read -r ns <"$BENCH/run"
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

# measure OPERATION SIDE...: the sides take turns, after one run each to warm up.
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

# Each read of the output by the host interrupts the guest, so print it at the end.
exec 7>&1 >/tmp/samples

modprobe kthread_bench || exit 1

# The operations of both sides, in the order of the table. `scale`, `stop_slow` and
# `wake_load` have figures of their own.
operations=$(grep -v -e ' scale$' -e ' stop_slow$' -e ' wake_load$' "$BENCH/operations")
has()
{
	printf '%s\n' "$operations" | grep -qx "$1 $2"
}
for op in $(printf '%s\n' "$operations" | sed -n 's/^c //p'); do
	if has rust "$op"; then
		measure "$op" c rust
	elif [ -z "${PAIRS:-}" ]; then
		measure "$op" c
	fi
done
measure stats_read c rust

echo "wake_load: c rust" >&2
for _ in 1 2 3 4 5 6 7 8 9; do
	for side in c rust; do
		run $side wake_load 1000
		echo "wake $side 1000 $ns"
	done
done

if [ "${PAIRS:-}" ]; then
	rmmod kthread_bench || exit 1
	cat /tmp/samples >&7
	exit
fi
for op in $(printf '%s\n' "$operations" | sed -n 's/^rust //p'); do
	has c "$op" || measure "$op" rust
done

# The equivalents in user space.
for op in $(cost list); do
	measure "$op" user
done

# The cost of many threads. Small numbers are repeated several times.
echo 30000 >/proc/sys/kernel/threads-max
rounds()
{
	case $1 in
	1 | 10 | 100) echo 1 2 3 4 5 6 7 8 9 ;;
	1000) echo 1 2 3 ;;
	*) echo 1 2 ;;
	esac
}
for n in 1 10 100 1000 10000; do
	for _ in $(rounds $n); do
		for side in c rust; do
			run $side scale $n
			echo "scale $side $n $ns"
		done
	done
	echo "$n threads" >&2
done

for n in 1 10 100 1000 10000; do
	for _ in $(rounds $n); do
		modprobe rust_kthread_demo workers=0 max_workers=10000 || exit 1
		ns=$(cost workers $n) || exit 1
		echo "scale demo $n $ns"
		[ $n != 1000 ] || sed 's/^/latency /' /sys/kernel/debug/rust_kthread_demo/latency
		ns=$(cost unload $n) || exit 1
		echo "unload $n $ns"
	done
	echo "$n workers of the demo" >&2
done
rmmod kthread_bench || exit 1

cat /tmp/samples >&7
