#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A process that ends by itself soon after its test, which is as it should be.
# selfcheck: hold

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "all is well"
usleep 200000 &
ktap_finished
