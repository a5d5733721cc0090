#!/bin/sh
# SPDX-License-Identifier: GPL-2.0

# credited: the bits of entropy credited for each read.
credited()
{
	sed -n 's/^ *hwrng-[0-9].* bits=//p' trace
}

mount -t tracefs tracefs /sys/kernel/tracing || exit 2
cd /sys/kernel/tracing || exit 2
echo "p:credit add_hwgenerator_randomness bits=\$arg3:u64" >kprobe_events
echo 1 >events/kprobes/credit/enable
modprobe half_a_bit || exit 2
for _ in $(seq 900); do
	[ "$(credited | grep -c .)" -lt 4 ] || break
	usleep 100000
done
bits=$(credited | head -n 4 | xargs)
rmmod half_a_bit
[ ! -d /sys/module/hwrng_core ] || rmmod hwrng_core
echo 0 >events/kprobes/credit/enable
echo >kprobe_events
cd /
umount /sys/kernel/tracing
echo "for four times half a bit: $bits"
case $bits in
'0 1 0 1') exit 1 ;;
'0 1 1 1') exit 0 ;;
esac
exit 2
