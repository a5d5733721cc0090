#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An assertion of KUnit's that fails in a thread, which KUnit itself does not count.
# selfcheck: splat Failure not reported to KUnit since this is a non-KUnit task

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_ok_if "as if nothing had happened" modprobe broken_kunit
rmmod broken_kunit
ktap_finished
