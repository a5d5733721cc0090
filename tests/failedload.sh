#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A load that fails half way while others try to open files of the module. The module is
# freed even if files are open.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# open_all: opens all files again and again until /tmp/loaded has the result.
open_all()
{
	opened=0
	while [ ! -e /tmp/loaded ]; do
		for file in "$DEMO/stats" "$DEMO/latency" "$DEMO"/workers/w0/*; do
			{
				read -r _ <"$file"
			} 2>/dev/null && opened=$((opened + 1))
		done
	done
	echo "$opened" >/tmp/opened
}

ktap_plan 5

# The limit allows only some of the threads.
threads_max=$(cat /proc/sys/kernel/threads-max)
threads=$(find /proc -maxdepth 1 -name '[0-9]*' | wc -l)
open_all &
opener=$!
echo $((threads + 300)) >/proc/sys/kernel/threads-max
error=$(modprobe "$MODULE" workers=1000 2>&1)
echo "$threads_max" >/proc/sys/kernel/threads-max
: >/tmp/loaded
wait $opener

ktap_match 'the load fails' '*Resource temporarily unavailable*' "$error"
ktap_ok_if 'nothing is left of it' demo_is_gone
ktap_eq 'no file could be opened' 0 "$(cat /tmp/opened)"
rm /tmp/loaded /tmp/opened

demo_load workers=4
ktap_ok_if 'the next load works' [ "$(workers)" = 'w0 w1 w2 w3' ]
ktap_ok_if 'its files can be opened' [ -n "$(value w0 state)" ]
demo_unload

ktap_finished
