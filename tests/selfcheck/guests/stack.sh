#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A stack that overflows.
# selfcheck-config: CONFIG_VMAP_STACK
# selfcheck: panic the kernel panicked in the middle of stack: .*(Fatal exception in interrupt|kernel stack overflow)
# selfcheck: splat (BUG: TASK stack guard page was hit|Insufficient stack space)
# selfcheck-decoded: ^ *broken_descend \(tests/selfcheck/modules/broken_stack\.c:20\) broken_stack
# selfcheck-decoded: ^ *\(this line [0-9]+ times\)
# selfcheck-decoded: ^ *(broken_init|init_module) \(tests/selfcheck/modules/broken_stack\.c:27\) broken_stack
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_stack
ktap_finished
