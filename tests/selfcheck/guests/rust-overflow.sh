#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Arithmetic in Rust that overflows.
# selfcheck-config: CONFIG_RUST_OVERFLOW_CHECKS
# selfcheck: splat rust_kernel: panicked at .*broken_rust_overflow\.rs:19:5: attempt to add with overflow
# selfcheck: counters oops_count 0 -> 1
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_rust_overflow
ktap_finished
