#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Lockdep reports a stop with a lock held that the thread's closure takes, before it
# deadlocks.
#
# ksft-expect-splat: WARNING: possible circular locking dependency detected

. "$(dirname "$0")/lib/ktap.sh"

zcat /proc/config.gz | grep -q '^CONFIG_PROVE_LOCKING=y' || ktap_skip_all 'this kernel has no lockdep'

ktap_plan 3
ktap_ok_if 'a thread is stopped with its lock held' modprobe kthread_waits what=2
ktap_ok_if 'what it waits for is named' eval 'dmesg | grep -q "((kthread)).*thread.*LockMap"'
ktap_ok_if 'and nothing has happened' rmmod kthread_waits
ktap_finished
