#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A spinlock inside a raw one.
# selfcheck-config: CONFIG_PROVE_RAW_LOCK_NESTING
# selfcheck: splat BUG: Invalid wait context
# selfcheck: splat? BUG: sleeping function called from invalid context
# selfcheck: counters debug_locks 1 -> 0
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_lock_nesting
rmmod broken_lock_nesting
ktap_finished
