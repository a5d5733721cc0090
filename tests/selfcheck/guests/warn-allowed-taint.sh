#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A complaint that may come excuses no other taint.
# ksft-allow-splat: WARNING: .*broken_warn
# selfcheck: counters changed: tainted 0 -> 576$
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing else had happened"
modprobe broken_warn
rmmod broken_warn
modprobe broken_taint
rmmod broken_taint
ktap_finished
