#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A reference that is given back twice.
# selfcheck-config: CONFIG_BUG
# selfcheck: splat refcount_t: (decrement hit 0|underflow)
# selfcheck: counters (tainted 0 -> 512|warn_count)

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_refcount
rmmod broken_refcount
ktap_finished
