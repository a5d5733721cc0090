#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module can be unloaded in any state of its workers, and at any time except while its
# files are open.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# threads: all kernel threads except those of workqueues, which come and go.
threads()
{
	ps -o ppid,args | awk '$1 == 2 && $2 !~ /^\[kworker/ { print $2 }'
}

# unload_with WHAT COMMAND...: unloads after these commands, and checks that nothing is left.
unload_with()
{
	what=$1
	shift
	demo_load workers=0
	ktap_ok_if "$what" do_all "$@"
	ktap_ok_if "$what: unload" rmmod "$MODULE"
	ktap_ok_if "$what: nothing is left" demo_is_gone
}

# open_while_unloading FILE: an open file keeps the module loaded.
open_while_unloading()
{
	demo_load
	exec 3<"$DEMO/$1"
	error=$(rmmod "$MODULE" 2>&1)
	ktap_match "an open $1 keeps the module loaded" '*Resource temporarily unavailable*' "$error"
	ktap_ok_if "an open $1 can be read" [ -n "$(cat <&3)" ]
	exec 3<&-
	ktap_ok_if "a closed $1 lets it go" rmmod "$MODULE"
}

ktap_plan 32

last=$(($(nproc) - 1))
before=$(threads)

unload_with 'created workers' 'create a' 'create b' "create c cpu=$last"
unload_with 'running workers' 'run a' 'run b kind=periodic period_us=1000' 'run c policy=fifo'
unload_with 'parked workers' 'run a' 'run b kind=periodic' 'park a' 'park b'
unload_with 'workers of every kind' 'create a' 'run b' 'run c' 'park c' 'run d kind=periodic'
unload_with 'workers that have work to do' 'run a' 'wake a' 'wake a' 'park a'

for file in control stats workers/w0/stats; do
	open_while_unloading $file
done

# The file of a stopped worker may still be open.
demo_load
exec 3<"$DEMO/workers/w0/stats"
ktap_eq 'a worker stops while its file is open' OK "$(control stop w0)"
ktap_ok_if 'its directory is gone' [ ! -e "$DEMO/workers/w0" ]
cat <&3 >/dev/null 2>&1
ktap_eq 'its file is not readable any more' 1 $?
error=$(rmmod "$MODULE" 2>&1)
ktap_match 'it keeps the module loaded' '*Resource temporarily unavailable*' "$error"
exec 3<&-
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone

# plug_always: takes the last CPU offline and online until it is ended.
plug_always()
{
	while [ ! -e /tmp/over ]; do
		echo 0 >"$switch" && echo 1 >"$switch" || exit 1
	done
}

# At random times after the load, with CPU hotplug if possible.
switch=/sys/devices/system/cpu/cpu$last/online
rm -f /tmp/over
plugger=
if [ -w "$switch" ]; then
	plug_always &
	plugger=$!
fi
failed=0
loads=50
[ "${KSFT_SLOWNESS:-1}" -eq 1 ] || loads=20
# shellcheck disable=SC2013 # Each is a word.
for moment in $(awk -v loads=$loads 'BEGIN { srand(5); while (loads--) print int(rand() * 40000) }'); do
	modprobe "$MODULE" && echo 'run a kind=periodic period_us=1000' >"$DEMO/control" && usleep "$moment" &&
		rmmod "$MODULE" || failed=$((failed + 1))
done
ktap_eq "$loads loads, each unloaded at a random moment" 0 $failed
: >/tmp/over
ktap_ok_if 'while a CPU went offline and online' wait $plugger
rm /tmp/over
ktap_ok_if 'nothing is left after them' [ "$(threads)" = "$before" ]

ktap_finished
