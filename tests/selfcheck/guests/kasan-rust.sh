#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A read of freed memory in Rust, which must be instrumented to be seen.
# selfcheck-config: CONFIG_KASAN
# selfcheck: splat BUG: KASAN: slab-use-after-free in .*read_freed.*\[broken_kasan_rust\]
# selfcheck: counters tainted 0 -> 32, .*debug_locks 1 -> 0
# selfcheck-decoded: broken_kasan_rust::read_freed \(.*tests/selfcheck/modules/broken_kasan_rust\.rs:23.*\) broken_kasan_rust
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_kasan_rust
rmmod broken_kasan_rust
ktap_finished
