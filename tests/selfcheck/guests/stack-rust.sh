#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A stack that overflows in Rust, in code that nobody wrote: a list drops itself.
# selfcheck-config: CONFIG_VMAP_STACK
# selfcheck: panic the kernel panicked in the middle of stack-rust: .*(Fatal exception in interrupt|kernel stack overflow)
# selfcheck: splat (BUG: TASK stack guard page was hit|Insufficient stack space)
# selfcheck-decoded: ^ *core::ptr::drop_in_place::<.*broken_stack_rust::Node.*> \(.*\) broken_stack_rust
# selfcheck-decoded: ^ *\((this line|these [0-9] lines) [0-9]+ times\)
# selfcheck-decoded: ^ *broken_stack_rust::drops \(.*tests/selfcheck/modules/broken_stack_rust\.rs:37.*\) broken_stack_rust
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_stack_rust
ktap_finished
