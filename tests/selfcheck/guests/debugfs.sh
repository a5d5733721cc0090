#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A debugfs entry that outlives its test.
# selfcheck: left-behind debugfs:/sys/kernel/debug/broken_debugfs
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_debugfs
rmmod broken_debugfs
ktap_finished
