#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-timeout: 60
#
# Each error of a command, and that a failed command changes nothing.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# snapshot: everything that a failed command must not change.
snapshot()
{
	grep -r -v -e ^commands_rejected -e ^runs -e _ns -e ^overruns "$DEMO/stats" "$DEMO/workers"
}

rejected=0
# What the last failed command left, until something else changes it.
unchanged=

# renew: replaces the worker that is not started. The kernel reports an unstarted thread as
# hung after two minutes, and this test takes longer on a slow kernel.
renew()
{
	do_all 'stop new' 'create new'
	unchanged=
}

# refused ERRNO COMMAND: the command fails with ERRNO, and only commands_rejected changes.
refused()
{
	[ -n "$unchanged" ] || unchanged=$(snapshot)
	errno=$(control "$2")
	after=$(snapshot)
	ktap_eq "$(ktap_printable "$(printf '%.40s' "$2")") gives $1" "$1 $unchanged" "$errno $after"
	unchanged=$after
	rejected=$((rejected + 1))
}

# repeat TEXT N
repeat()
{
	printf "%$2s" '' | sed "s/ /$1/g"
}

ktap_plan 72

demo_load workers=0 max_workers=4
do_all 'create new' 'run event' 'run beat kind=periodic period_us=3600000000' 'run parked' 'park parked'

refused EINVAL 'jump event'
refused EINVAL 'WAKE event'
refused EINVAL wake
refused EINVAL create
refused EINVAL 'wake event event'
refused EINVAL 'stop-all event'
refused EINVAL ' '
refused EINVAL 'wake event

'
refused EINVAL 'wake
event'
refused EINVAL 'create a colour=red'
refused EINVAL 'create a kind'
refused EINVAL 'create a kind='
refused EINVAL 'create a kind=timer'
refused EINVAL 'create a kind=event kind=event'
refused EINVAL 'create a kind=event period_us=1000'
refused EINVAL 'create a kind=periodic period_us=0'
refused EINVAL 'create a kind=periodic period_us=3600000001'
refused EINVAL 'create a kind=periodic period_us=18446744073709551616'
refused EINVAL 'create a kind=periodic period_us=10x'
refused EINVAL 'create a kind=periodic period_us=-1'
renew
refused EINVAL 'create a cpu=0 node=0'
refused EINVAL 'create a cpu=one'
refused EINVAL 'create a cpu=-1'
refused EINVAL 'create a cpu=4294967296'
refused EINVAL 'create a policy=rr'
refused EINVAL 'create a policy=fifo nice=1'
refused EINVAL 'create a nice=20'
refused EINVAL 'create a nice=-21'
refused EINVAL 'create a nice=+1'
refused EINVAL 'wake beat'
for name in . .. a/b '%p%n%s' 'a:b' 'ä' "$(printf 'a\001')"; do
	refused EINVAL "create $name"
done
for name in ... a.b -a _ 123456789012345; do
	ktap_eq "$name is a name" ENOENT "$(control "wake $name")"
	rejected=$((rejected + 1))
done
renew
refused ENAMETOOLONG 'create 1234567890123456'
refused ENAMETOOLONG "wake $(repeat x 200)"

for verb in start wake park unpark stop; do
	refused ENOENT "$verb nobody"
done

refused EEXIST 'create new'
refused EEXIST 'run event'

refused EBUSY 'start event'
refused EBUSY 'start parked'
refused EBUSY 'park parked'
refused EBUSY 'park new'
refused EBUSY 'unpark event'
refused EBUSY 'unpark new'
refused EBUSY 'wake new'
refused EBUSY 'wake parked'

refused ENOSPC 'create fifth'
do_all 'stop beat'
unchanged=

refused ENODEV 'create a cpu=1000'
refused ENODEV 'create a node=1000'
ktap_eq 'the name of a refused worker is free' OK "$(control 'create a cpu=0')"
unchanged=

ktap_eq '256 bytes are not too many' ENAMETOOLONG "$(control "wake $(repeat x 251)")"
refused E2BIG "wake $(repeat x 252)"
ktap_eq 'a million bytes are too many' E2BIG "$(head -c 1000000 /dev/zero | write1 "$DEMO/control")"
ktap_eq 'a NUL is not a blank' EINVAL "$(printf 'wake\000event' | write1 "$DEMO/control")"
ktap_eq 'a NUL is not an end' EINVAL "$(printf 'wake event\000' | write1 "$DEMO/control")"
ktap_eq 'a newline is not a blank' EINVAL "$(printf 'wake\nevent' | write1 "$DEMO/control")"
ktap_eq 'a second newline is not an end' EINVAL "$(printf 'wake event\n\n' | write1 "$DEMO/control")"
ktap_eq 'a newline counts before a long name' EINVAL "$(printf 'wake abcdefghijklmnop a\nb' | write1 "$DEMO/control")"
rejected=$((rejected + 7))

ktap_eq 'all that were refused are counted' "$rejected" "$(total commands_rejected)"

demo_unload
ktap_finished
