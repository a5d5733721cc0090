#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-splat: BUG: unable to handle page fault

modprobe rust_owner || exit 2
# Keep the file open during the unload, and close it after that.
sh -c 'exec 3< /sys/kernel/debug/rust_owner/file && rmmod rust_owner; exec 3<&-'
status=$?
if grep -q '^rust_owner ' /proc/modules; then
	# The unload failed, as the file was open.
	rmmod rust_owner || exit 2
	exit $((status == 0 ? 1 : 2))
fi
# The unload succeeded, and the close has killed the shell.
[ $status -gt 128 ] || exit 2
