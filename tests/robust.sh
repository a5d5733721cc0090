#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile use of the files: concurrent, during unload, and with malformed input.
#
# The writers open files during the unload: see upstream/debugfs-going-module.
# ksft-allow-splat: WARNING: .*full_proxy_open_regular\+

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# is_stopping NAME: whether a stop of the worker is waiting.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
is_stopping()
{
	grep -q stop_requested "$DEMO/workers/$1/lifecycle"
}

# is_parking NAME: whether a park of the worker is waiting.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
is_parking()
{
	grep -q park_requested "$DEMO/workers/$1/lifecycle"
}

ktap_plan 50

demo_load workers=0
do_all 'run a'

# Lengths, pointers and splits.
ktap_eq 'a write of 0 bytes' EINVAL "$(control '')"
ktap_eq 'a write of 1 byte' EINVAL "$(control x)"
ktap_eq 'a write of 256 bytes' OK "$(control "$(printf 'wake a%250s' '')")"
ktap_eq 'a write of 257 bytes' E2BIG "$(control "$(printf 'wake a%251s' '')")"
ktap_eq 'a write of 1,000,000 bytes' E2BIG "$(head -c 1000000 /dev/zero | write1 "$DEMO/control")"
ktap_eq 'writes from bad pointers' 'EFAULT EFAULT EFAULT EFAULT E2BIG' "$(badwrite "$DEMO/control")"
before="$(total commands) $(total commands_rejected)"
{
	printf 'wake '
	printf a
} >"$DEMO/control" 2>/dev/null
ktap_eq 'a command in two writes is two bad commands' \
	"$before" "$(total commands) $(($(total commands_rejected) - 2))"
ktap_eq 'only one wake was taken' 1 "$(value a wakes)"

# Names.
ktap_eq 'the name of a test is readable' 'wake "a" 1~?[2J?' "$(ktap_printable "$(printf 'wake "a" 1~\033[2J\001')")"
for name in '%p%n%s' '..' '../a' 'a/stats' '' "$(printf 'a\033[2J')"; do
	ktap_eq "a name like '$(ktap_printable "$name")'" EINVAL "$(control "create $name")"
done
ktap_eq 'a name of 16 bytes' ENAMETOOLONG "$(control 'create 1234567890123456')"
ktap_eq 'a name of 15 bytes' OK "$(control 'create 123456789012345')"
ktap_eq 'a name that looks like a number' OK "$(control 'create 0')"
ktap_eq 'a name that looks like an option' OK "$(control 'create -h')"
ktap_eq 'a name that looks like a command' OK "$(control 'create stop-all')"
ktap_eq 'these are workers like all others' '-h 0 123456789012345 a stop-all' "$(workers)"
do_all 'stop stop-all'
ktap_eq 'and so they stop' '-h 0 123456789012345 a' "$(workers)"
do_all stop-all

# Numbers at and beyond their limits.
last=$(($(nproc) - 1))
while read -r expected options; do
	ktap_eq "run $options" "$expected" "$(control "run a $options")"
	[ "$expected" != OK ] || do_all 'stop a'
done <<END
OK cpu=$last
ENODEV cpu=$((last + 1))
ENODEV cpu=4294967295
EINVAL cpu=4294967296
ENODEV node=4294967295
EINVAL nice=-2147483649
EINVAL nice=9223372036854775808
OK kind=periodic period_us=3600000000
EINVAL kind=periodic period_us=9223372036854775808
EINVAL kind=periodic period_us=-9223372036854775808
END
demo_unload

# A worker that neither parks nor stops, as it is kept off its only CPU.
demo_load workers=0
if [ "$(nproc)" -lt 2 ]; then
	ktap_skip_each 'needs two CPUs' \
		'a worker that does not park' 'parks another one' 'files are read' 'is released' \
		'a worker that does not stop' 'stops another one' 'other commands' 'files of it' 'its name' \
		'is released, too' 'nothing is left'
else
	do_all 'run slow cpu=1 policy=fifo_low' 'run other cpu=0'
	starve 1
	control 'park slow' >/tmp/parked &
	parker=$!
	ktap_ok_if 'a park that has to wait' wait_for 10 is_parking slow
	ktap_eq '... keeps no other park waiting' OK "$(control 'park other')"
	ktap_eq '... and no reader' running "$(cat "$DEMO/workers/slow/"* "$DEMO/stats" >/dev/null && value slow state)"
	feed
	wait $parker
	ktap_eq '... and is done in the end' 'OK parked' "$(cat /tmp/parked) $(value slow state)"
	rm /tmp/parked
	do_all 'unpark slow'

	wait_for 10 thread_is slow S
	starve 1
	control 'stop slow' >/tmp/stopped &
	stopper=$!
	ktap_ok_if 'a stop that has to wait' wait_for 10 is_stopping slow
	ktap_eq '... keeps no other stop waiting' OK "$(control 'stop other')"
	ktap_eq '... and no other command' 'OK OK OK' "$(control 'run new') $(control 'park new') $(control stop-all)"
	ktap_eq '... and no reader' 'running 2' "$(cat "$DEMO/workers/slow/"* "$DEMO/stats" >/dev/null && value slow state) $(total stopped)"
	ktap_eq '... and its worker is none any more, though its name is taken' 'ENOENT ENOENT EEXIST' \
		"$(control 'wake slow') $(control 'stop slow') $(control 'create slow')"
	feed
	wait $stopper
	ktap_eq '... and is done in the end' OK "$(cat /tmp/stopped)"
	rm /tmp/stopped
	ktap_eq 'nothing is left of them' '0 ' "$(total workers) $(workers)"
fi
demo_unload

# All at once: 64 writers, readers, and unloads. Fewer commands on a slow kernel.
rounds=4 commands=15
[ "${KSFT_SLOWNESS:-1}" -eq 1 ] || rounds=2 commands=5
observe >/tmp/observed1 &
first=$!
observe >/tmp/observed2 &
second=$!
storm "/lib/modules/$(uname -r)/$MODULE.ko" 64 $rounds $commands >/tmp/stormed
ktap_eq '64 writers get only documented errnos, and the totals add up' 0 $?
ktap_diag "$(cat /tmp/stormed)"
kill $first $second
wait $first
status=$?
wait $second
ktap_eq 'readers get only consistent files' '0 0' "$status $?"
ktap_diag "$(cat /tmp/observed1 /tmp/observed2)"
ktap_ok_if 'the module was unloaded during the storm' [ "$(sed -n 's/^unloaded //p' /tmp/stormed)" -ge 2 ]
ktap_ok_if 'and could not be while a file was open' [ "$(sed -n 's/^refused //p' /tmp/stormed)" -ge 2 ]
rm /tmp/observed1 /tmp/observed2 /tmp/stormed

do_all 'stop-all' 'run last'
exec 3<"$DEMO/workers/last/stats"
ktap_eq 'a worker stops while its file is open' OK "$(control stop-all)"
exec 3<&-
ktap_eq 'created is stopped in the end' "0 $(total created)" "$(total workers) $(total stopped)"
demo_unload
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
