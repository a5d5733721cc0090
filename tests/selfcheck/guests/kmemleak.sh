#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Memory that nothing points to any more, in a test that looks for that.
# selfcheck-config: CONFIG_DEBUG_KMEMLEAK
# ksft-cmdline: kmemleak=on
# selfcheck: splat kmemleak: [0-9]+ new suspected memory leaks
# selfcheck: test failed: no memory is lost
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/kmemleak.sh"

ktap_plan 1
kmemleak_begin
modprobe broken_kmemleak
rmmod broken_kmemleak
kmemleak_end
ktap_finished
