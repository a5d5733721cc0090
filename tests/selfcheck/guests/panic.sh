#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel panic.
# selfcheck: panic the kernel panicked in the middle of panic: .*broken_panic was loaded
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_panic
ktap_finished
