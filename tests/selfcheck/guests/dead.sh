#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every CPU stops.
# ksft-timeout: 1
# selfcheck: hang the guest stopped answering in the middle of dead \(CPU 0 in a module, at 0x
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_dead
ktap_finished
