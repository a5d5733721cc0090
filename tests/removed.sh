#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Removed files with a reference that does not count as open, as from O_PATH. Linux 7.3 reads
# the file operations when such a file is then opened for the first time, so they must still
# be valid.
#
# While a module is unloaded there is a moment in which its files do not open and it is not
# yet marked as going. debugfs of 7.3 then warns, and no module is able to avoid that: see
# upstream/debugfs-going-module.
# ksft-allow-splat: WARNING: .*full_proxy_open_regular\+

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# taken FILE COMMAND: the result of opening FILE through a reference from before COMMAND.
taken()
{
	opath "$DEMO/$1" "$2" || echo "status $?"
}

ktap_plan 16

stop="echo stop w0 > $DEMO/control"
unload="rmmod $MODULE"

demo_load workers=1
ktap_eq 'a file that is there can be opened' 'OK OK' "$(taken workers/w0/stats :)"
ktap_eq 'a worker is stopped: its file, opened before' ENOENT "$(taken workers/w0/stats "$stop")"
do_all 'run w0'
ktap_eq 'a worker is stopped: its file, never opened' ENOENT "$(taken workers/w0/stats "$stop")"
ktap_ok_if 'the module can be unloaded after that' rmmod $MODULE

for file in workers/w0/lifecycle latency control; do
	demo_load workers=1
	ktap_eq "unloaded: $file, never opened" ENOENT "$(taken $file "$unload")"
done
demo_load workers=1
cat "$DEMO/workers/w0/stats" >/dev/null
ktap_eq 'unloaded: one that was opened' ENOENT "$(taken workers/w0/stats "$unload")"
demo_load workers=1
ktap_eq 'stopped, then unloaded' ENOENT "$(taken workers/w0/stats "$stop && $unload")"
demo_load workers=1
ktap_eq 'unloaded and loaded again' ENOENT "$(taken workers/w0/stats "$unload && modprobe $MODULE workers=1")"
ktap_ok_if 'the files of the new one can be opened' [ "$(value w0 state)" = running ]
demo_unload

# A load that fails. There is room for some of the threads.
threads_max=$(cat /proc/sys/kernel/threads-max)
threads=$(find /proc -maxdepth 1 -name '[0-9]*' | wc -l)
rm -f /tmp/loaded
opath "$DEMO/workers/w0/identity" -w /tmp/loaded >/tmp/taken &
taker=$!
echo $((threads + 300)) >/proc/sys/kernel/threads-max
modprobe $MODULE workers=1000 2>/tmp/error
echo "$threads_max" >/proc/sys/kernel/threads-max
ktap_match 'a load that fails' '*Resource temporarily unavailable*' "$(cat /tmp/error)"
ktap_ok_if 'leaves nothing' demo_is_gone
: >/tmp/loaded
wait $taker
ktap_eq 'its file, never opened' ENOENT "$(cat /tmp/taken)"
rm /tmp/loaded /tmp/taken /tmp/error

# With files being opened all the time, without O_PATH.
open_all()
{
	while [ ! -e /tmp/over ]; do
		for file in "$DEMO"/stats "$DEMO"/workers/w?/stats; do
			{
				read -r _ <"$file"
			} 2>/dev/null
		done
	done
}
rm -f /tmp/over
open_all &
first=$!
open_all &
second=$!
loads=20
[ "${KSFT_SLOWNESS:-1}" -eq 1 ] || loads=3
rounds=0
for _ in $(seq $loads); do
	demo_load workers=4
	until rmmod $MODULE 2>/dev/null; do
		:
	done
	rounds=$((rounds + 1))
done
: >/tmp/over
wait $first $second
rm /tmp/over
ktap_eq 'while files are opened, it can be loaded and unloaded' $loads $rounds
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
