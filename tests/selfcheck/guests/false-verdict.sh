#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test that leaves through the exit port as if all had passed.
# selfcheck: init never said that it was through
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
port=$(grep -lx exit /sys/class/virtio-ports/*/name)
port=${port%/name}
echo 16q >"/dev/${port##*/}"
