#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-splat: WARNING: .*full_proxy_open_regular\+

file=/sys/kernel/debug/going

# Widen the window.
modprobe going && modprobe hold_up ms=300 || exit 2
: >/tmp/on
while [ -e /tmp/on ]; do
	cat "$file"
done >/tmp/out 2>&1 &
until grep -q here /tmp/out; do
	usleep 10000
done
# The file may be open at the moment.
until rmmod going 2>/dev/null; do
	:
done
rm /tmp/on
wait
rmmod hold_up || exit 2
# Otherwise the file was not opened in time.
grep -q 'No such device or address' /tmp/out || exit 2
dmesg | grep -q 'debugfs file owner did not clean up at exit: going'
