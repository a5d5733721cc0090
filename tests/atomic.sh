#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Using an address space with interrupts off, which would enable them, is reported.
#
# ksft-expect-splat: BUG: sleeping function called from invalid context
# Some kernels also check for interrupts that were enabled too early.
# ksft-allow-splat: WARNING: .*warn_bogus_irq_restore
# They are off because of a lock, so lockdep complains as well.
# ksft-allow-splat: BUG: Invalid wait context

. "$(dirname "$0")/lib/ktap.sh"

zcat /proc/config.gz | grep -q '^CONFIG_DEBUG_ATOMIC_SLEEP=y' || ktap_skip_all 'this kernel does not look for it'

ktap_plan 2
ktap_ok_if 'a thread uses an address space with interrupts off' modprobe kthread_waits what=3
ktap_ok_if 'the module can be unloaded' rmmod kthread_waits
ktap_finished
