#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test that hangs in the kernel, where SIGKILL does not reach it.
# ksft-timeout: 1
# selfcheck: timeout longer than its limit of 1 seconds, and it could not be killed; then there were .*[0-9]+ \(modprobe\) D .*broken_init
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_stuck
