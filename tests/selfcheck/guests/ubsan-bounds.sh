#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An index out of bounds.
# selfcheck-config: CONFIG_UBSAN_BOUNDS
# selfcheck: splat UBSAN: array-index-out-of-bounds in .*broken_ubsan_bounds\.c
# selfcheck: counters warn_count

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_ubsan_bounds
rmmod broken_ubsan_bounds
ktap_finished
