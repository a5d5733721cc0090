#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A null pointer in the kernel.
# selfcheck: splat (BUG:|Unable to handle) kernel NULL pointer dereference
# selfcheck: counters oops_count 0 -> 1
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_oops
ktap_finished
