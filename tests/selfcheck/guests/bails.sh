#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test that gives up.
# selfcheck: ktap it bailed out: no more to do
# selfcheck: test it exited with 1

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_bail "no more to do"
