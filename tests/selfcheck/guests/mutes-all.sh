#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The console is muted in such a way that not even the markers come, and a declared complaint excuses nothing of that.
# ksft-expect-splat: WARNING: .*broken_warn
# selfcheck: counters ignore_loglevel Y -> N
# selfcheck: mute? its markers are missing
# What the console has not printed by then is muted as well.
# selfcheck: no-splat? should have complained of 'WARNING: .*broken_warn'
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_warn
rmmod broken_warn
dmesg -n 1
echo N >/sys/module/printk/parameters/ignore_loglevel
ktap_finished
