#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A function that might sleep, but does not, in atomic context.
# selfcheck-config: CONFIG_DEBUG_ATOMIC_SLEEP
# selfcheck: splat BUG: sleeping function called from invalid context
# selfcheck: counters? tainted 0 -> 512

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_might_sleep
rmmod broken_might_sleep
ktap_finished
