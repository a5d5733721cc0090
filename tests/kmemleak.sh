#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Commands leak no memory. faults.sh looks for leaks in error paths. The KUnit tests are not
# checked, as some leak on purpose.
#
# ksft-cmdline: kmemleak=on
# ksft-timeout: 100

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"
. "$(dirname "$0")/lib/kmemleak.sh"

# live: the life of each kind of worker. Errors do not matter.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
live()
{
	do_all 'create a' 'start a' 'wake a' 'wake a' 'park a' 'unpark a' 'stop a' \
		'run b kind=periodic period_us=1000 nice=5' 'run c cpu=0 policy=fifo_low' 'run d node=0 policy=fifo' \
		'create never-started' 'create parked' 'start parked' 'park parked' || return 1
	wait_for 10 at_least b runs 3 || return 1
	for command in 'create b' 'run c' 'create a cpu=1000' 'create a nice=5 policy=fifo' 'start b' \
		'unpark c' 'stop a' 'create 1234567890123456' 'jump'; do
		do_all "$command" >/dev/null 2>&1 && return 1
	done
	cat "$DEMO/control" "$DEMO/stats" "$DEMO/latency" "$DEMO"/workers/*/* >/dev/null
}

kmemleak_begin || ktap_skip_all 'kmemleak is not on in this kernel'

ktap_plan 7

demo_load workers=2
ktap_ok_if 'workers of all kinds' live
ktap_eq 'stop-all' OK "$(control stop-all)"
ktap_ok_if 'workers of all kinds again' live
demo_unload

# The slab allocator still holds the addresses of the last few dozen objects of each size, so
# only larger numbers of leaks are visible.
demo_load workers=0 max_workers=8
fuzz 4 1000 8 "$(nproc)" >/tmp/fuzzed
ktap_eq 'a thousand commands' 0 $? || ktap_diag "$(cat /tmp/fuzzed)"
rm /tmp/fuzzed
demo_unload

modprobe "$MODULE" max_workers=0 2>/dev/null
ktap_eq 'a load that is refused' 1 $?

ktap_ok_if 'nothing is left' demo_is_gone
kmemleak_end

ktap_finished
