#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# More results than planned; ktap_finished notices.
# selfcheck: ktap has 2 results, planned were 1
# selfcheck: test it exited with 1

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "one"
ktap_pass "two"
ktap_finished
