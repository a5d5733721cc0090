#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest reboots.
# selfcheck: reboot the guest rebooted in the middle of reboot
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
reboot -f
