#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-smp: 3

modprobe lost_work || exit 2
cd /sys/module/lost_work/parameters || exit 2
echo "met $(cat met), lost $(cat lost), miscounted $(cat miscounted)"
[ "$(cat met)" -gt 0 ] || exit 2
seen=$(($(cat lost) + $(cat miscounted)))
cd /
rmmod lost_work || exit 2
[ $seen -gt 0 ]
