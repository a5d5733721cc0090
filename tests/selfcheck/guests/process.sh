#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A process that outlives its test.
# selfcheck: left-behind process:sleep
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
setsid sh -c 'echo >/tmp/escaped; exec sleep 1000' >/dev/null 2>&1 &
# Only once it has left the process group does it outlive the test.
ktap_ok_if "as if nothing had happened" wait_for 5 test -e /tmp/escaped
ktap_finished
