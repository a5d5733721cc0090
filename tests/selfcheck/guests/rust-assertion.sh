#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An unsafe function of Rust's core whose precondition does not hold.
# selfcheck-config: CONFIG_RUST_DEBUG_ASSERTIONS
# selfcheck: splat rust_kernel: panicked at .*: unsafe precondition\(s\) violated: slice::get_unchecked
# selfcheck: counters oops_count 0 -> 1
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_rust_assertion
ktap_finished
