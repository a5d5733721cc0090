#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# smp_processor_id() where the CPU can change.
# selfcheck-config: CONFIG_DEBUG_PREEMPT
# selfcheck: splat BUG: using smp_processor_id\(\) in preemptible .*: modprobe

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_debug_preempt
rmmod broken_debug_preempt
ktap_finished
