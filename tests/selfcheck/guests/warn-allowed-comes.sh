#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# One that comes, twice, is excused with what it moves.
# ksft-allow-splat: WARNING: .*broken_warn
# selfcheck: hold

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "twice"
for _ in 1 2; do
	modprobe broken_warn
	rmmod broken_warn
done
ktap_finished
