#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A list that is linked wrongly.
# selfcheck-config: CONFIG_DEBUG_LIST
# selfcheck: splat list_add corruption. next->prev should be prev
# selfcheck: counters (tainted 0 -> 512|oops_count|warn_count)
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_list
# Where the kernel only warns of it the module is in.
rmmod broken_list 2>/dev/null
ktap_finished
