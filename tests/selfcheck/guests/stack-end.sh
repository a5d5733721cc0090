#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A stack that was used up.
# selfcheck-config: CONFIG_SCHED_STACK_END_CHECK
# selfcheck: panic corrupted stack end detected inside scheduler
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_stack_end
ktap_finished
