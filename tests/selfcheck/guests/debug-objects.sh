#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A timer that is freed while it is pending.
# selfcheck-config: CONFIG_DEBUG_OBJECTS_FREE
# selfcheck: splat ODEBUG: free active .*timer_list hint: broken_expired
# selfcheck: counters debug_objects_warnings 0 -> 1

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_debug_objects
rmmod broken_debug_objects
ktap_finished
