#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test that names words for the kernel's command line finds them there.
# ksft-cmdline: selfcheck.a=1 selfcheck.b
# selfcheck: hold
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_ok_if "the words are there" grep -Eq ' selfcheck\.a=1 selfcheck\.b( |$)' /proc/cmdline
ktap_finished
