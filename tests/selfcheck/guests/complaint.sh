#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A complaint on the console that moves no counter.
# selfcheck: splat BUG: broken_complaint was loaded

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_complaint
rmmod broken_complaint
ktap_finished
