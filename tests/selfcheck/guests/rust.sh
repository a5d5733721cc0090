#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A WARN in Rust, and where it came from.
# selfcheck: splat WARNING: .*broken_rust
# selfcheck: counters warn_count [0-9]+ -> [0-9]+
# selfcheck-decoded: ^ *(RIP|pc ?): .*broken_rust::warns \(tests/selfcheck/modules/broken_rust\.rs:1[89]\) broken_rust
# selfcheck-decoded: ^ *broken_rust::calls \(tests/selfcheck/modules/broken_rust\.rs:25\) broken_rust

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_rust
rmmod broken_rust
ktap_finished
