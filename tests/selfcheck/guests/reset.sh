#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest resets without a word.
# selfcheck: reboot the guest was reset in the middle of reset without a word
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_reset
ktap_finished
