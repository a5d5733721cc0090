#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Two locks that are taken in either order.
# selfcheck-config: CONFIG_PROVE_LOCKING
# selfcheck: splat WARNING: possible circular locking dependency detected
# selfcheck: counters debug_locks 1 -> 0
# selfcheck-decoded: init(_module)? \(tests/selfcheck/modules/broken_lockdep\.c:18\)
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_lockdep
rmmod broken_lockdep
ktap_finished
