#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-splat: WARNING: .*hrtimer_forward\+

modprobe stall || exit 2
end_of_runtime || exit 2
rmmod stall || exit 2
dmesg | grep -q 'WARNING: .*hrtimer_forward+'
