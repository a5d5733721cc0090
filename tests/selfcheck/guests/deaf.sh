#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The stack of a CPU that has turned interrupts off can be had, as on a hang. On arm64 that takes a word.
# ksft-cmdline: irqchip.gicv3_pseudo_nmi=1
# ksft-expect-splat: Call [Tt]race:
# selfcheck: hold
# selfcheck-boot: own
# selfcheck-smp: 2

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
modprobe broken_deaf
echo 1 >/sys/module/broken_deaf/parameters/deaf
echo l >/proc/sysrq-trigger
ktap_ok_if "its stack is shown" eval 'dmesg | grep -q "broken_deaf_loop+.*broken_deaf"' ||
	ktap_diag "$(dmesg | tail -n 40)"
rmmod broken_deaf
ktap_finished
