#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A thread that is stopped with a lock held that it takes.
# selfcheck-config: CONFIG_PROVE_LOCKING
# selfcheck: splat WARNING: possible circular locking dependency detected
# selfcheck: counters debug_locks 1 -> 0
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_stop
rmmod broken_stop
ktap_finished
