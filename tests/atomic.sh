#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# To use an address space with interrupts off, which would switch them on, is reported.
#
# ksft-expect-splat: BUG: sleeping function called from invalid context
# The guard finds that they have been switched on, where that is looked for.
# ksft-allow-splat: WARNING: .*warn_bogus_irq_restore
# They are off by a lock, of which lockdep has to say something as well.
# ksft-allow-splat: BUG: Invalid wait context

. "$(dirname "$0")/lib/ktap.sh"

zcat /proc/config.gz | grep -q '^CONFIG_DEBUG_ATOMIC_SLEEP=y' || ktap_skip_all 'this kernel does not look for it'

ktap_plan 2
ktap_ok_if 'a thread uses an address space with interrupts off' modprobe kthread_waits what=3
ktap_ok_if 'the module can be unloaded' rmmod kthread_waits
ktap_finished
