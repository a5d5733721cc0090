#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Threads of a device end when it is unbound, and threads of a module when it is unloaded,
# even if their groups are leaked. The lab builds a module with such threads.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# threads NAME...: how many kernel threads have one of these names.
threads()
{
	for name; do
		ps -o ppid,args | awk -v name="[$name]" '$1 == 2 && $2 == name'
	done | wc -l
}

# begin: ignores earlier log lines.
begin()
{
	echo "device: begin" >/dev/kmsg
}

# logged PATTERN: log lines since then, without the time.
logged()
{
	dmesg | awk '/device: begin/ { all = ""; next } { all = all $0 "\n" } END { printf "%s", all }' |
		sed -n "s/.*\($1\)\$/\1/p" | xargs
}

# shellcheck disable=SC2317 # It is called by wait_for.
polled()
{
	[ -n "$(logged 'polled 3 times')" ]
}

for module in kthread_careless kthread_board kthread_device; do
	modinfo $module >/dev/null 2>&1 || ktap_skip_all 'the modules are not built: KTHREAD_TESTS=1 makes them'
done
ktap_plan 17

begin
ktap_ok_if 'a module that leaks its groups loads' modprobe kthread_careless
ktap_eq 'its threads run' 4 "$(threads leaked own bound kept)"
ktap_eq 'another value of it is not to be had' 'again: Some(EBUSY)' "$(logged 'again: .*')"
ktap_ok_if 'it unloads' rmmod kthread_careless
ktap_eq 'all its threads have ended' '0 bound kept leaked own' \
	"$(threads leaked own bound kept) $(logged 'ended: .*' | xargs -n 1 | grep -v : | sort -u | xargs)"

begin
# rmmod may try twice.
error=$(modprobe kthread_careless fail=1 2>&1)
ktap_match 'a load that fails after all has been made' '*Input/output error*' "$error"
ktap_eq 'leaves no thread' '0 bound kept leaked own' \
	"$(threads leaked own bound kept) $(logged 'ended: .*' | xargs -n 1 | grep -v : | sort -u | xargs)"

driver=/sys/bus/platform/drivers/kthread_device
begin
ktap_ok_if 'a driver loads' modprobe kthread_device
ktap_eq 'without a device it has no thread' 0 "$(threads poll)"
modprobe kthread_board
ktap_ok_if 'with one it has' wait_for 10 polled
for how in "echo kthread_device > $driver/unbind" 'rmmod kthread_board' 'rmmod kthread_device'; do
	begin
	(eval "$how") 2>/dev/null
	ktap_eq "$how ends it" '0 0 unbound stopped' \
		"$? $(threads poll) $(logged 'unbound') $(logged 'stopped')"
	modprobe kthread_device
	modprobe kthread_board
	echo kthread_device 2>/dev/null >$driver/bind
	ktap_eq 'with the device it is back' 1 "$(threads poll)" || break
done
rmmod kthread_device
rmmod kthread_board
ktap_eq 'nothing is left' 0 "$(threads poll)"
ktap_finished
