#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Interrupts that are on against expectation.
# selfcheck-config: CONFIG_DEBUG_IRQFLAGS
# selfcheck: splat WARNING: .* warn_bogus_irq_restore
# selfcheck: counters warn_count

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_debug_irqflags
rmmod broken_debug_irqflags
ktap_finished
