#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The last thing that the guest does is to fill the kernel log; none of it is
# lost, not even the marker that comes last.
# selfcheck: hold
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
echo on >/proc/sys/kernel/printk_devkmsg
words=$(seq 150 | xargs)
line=0
while [ "$line" -lt 150 ]; do
	echo "line $line: $words"
	line=$((line + 1))
done >/dev/kmsg
ktap_ok_if "all is logged" test "$line" -eq 150
ktap_finished
