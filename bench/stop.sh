#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest for run.py: how long it takes to stop 32 threads that need 10 ms
# each, one after the other in C, and as a group in Rust. Prints lines:
#
#	stop SIDE N NS

BENCH=/sys/kernel/debug/kthread_bench

modprobe kthread_bench || exit 1
for _ in 1 2 3 4 5; do
	for side in c rust; do
		echo "$side stop_slow 32" >"$BENCH/run" || exit 1
		read -r ns <"$BENCH/run"
		echo "stop $side 32 $ns"
	done
done
rmmod kthread_bench || exit 1
