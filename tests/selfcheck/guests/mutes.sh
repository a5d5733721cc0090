#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The console is muted, and then the kernel complains.
# selfcheck: counters console_loglevel 7 -> 1
# selfcheck: splat WARNING: .*broken_warn
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
dmesg -n 1
modprobe broken_warn
rmmod broken_warn
ktap_finished
