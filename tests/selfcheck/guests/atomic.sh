#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Sleeping in atomic context.
# selfcheck: splat BUG: (scheduling while atomic|sleeping function called)
# selfcheck: counters tainted 0 -> 512
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_atomic
rmmod broken_atomic
ktap_finished
