#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A taint without a word on the console.
# selfcheck: counters tainted (0 -> 64|512 -> 576)

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_taint
rmmod broken_taint
ktap_finished
