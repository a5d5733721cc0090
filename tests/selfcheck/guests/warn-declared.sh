#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A declared complaint of the kernel is as it should be.
# ksft-expect-splat: WARNING: .*broken_warn
# selfcheck: hold

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_ok_if "load" modprobe broken_warn
rmmod broken_warn
ktap_finished
