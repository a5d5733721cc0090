#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-splat: BUG: unable to handle page fault

modprobe rust_owner || exit 2
# The file is open while the module goes, and is closed after that.
sh -c 'exec 3< /sys/kernel/debug/rust_owner/file && rmmod rust_owner; exec 3<&-'
status=$?
if grep -q '^rust_owner ' /proc/modules; then
	# It did not go, for the file was open.
	rmmod rust_owner || exit 2
	exit $((status == 0 ? 1 : 2))
fi
# It did, and closing has killed whoever had it open.
[ $status -gt 128 ] || exit 2
