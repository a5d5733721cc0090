#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A read of freed memory.
# selfcheck-config: CONFIG_KASAN
# selfcheck: splat BUG: KASAN: slab-use-after-free in .*\[broken_kasan\]
# selfcheck: counters tainted 0 -> 32, .*debug_locks 1 -> 0
# selfcheck-decoded: BUG: KASAN: .* \(.*tests/selfcheck/modules/broken_kasan\.c:13\)
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_kasan
rmmod broken_kasan
ktap_finished
