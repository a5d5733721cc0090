#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A shift out of bounds.
# selfcheck-config: CONFIG_UBSAN_SHIFT
# selfcheck: splat UBSAN: shift-out-of-bounds in .*broken_ubsan_shift\.c
# selfcheck: counters warn_count

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_ubsan_shift
rmmod broken_ubsan_shift
ktap_finished
