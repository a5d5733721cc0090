#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest powers off.
# selfcheck: poweroff the guest powered off in the middle of poweroff
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
poweroff -f
