#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Threads that die of an oops or a Rust panic: waits for them return an error, the others
# keep running, and the module can still be unloaded. The lab builds a module whose workers
# can die, and one that joins and stops such threads itself.
#
# ksft-expect-splat: (BUG:|Unable to handle) (kernel NULL pointer dereference|KASAN: null-ptr-deref)
# ksft-expect-splat: rust_kernel: panicked at .*tests/modules/dying\.rs
# ksft-expect-splat: rust_kernel: panicked at .*demo/worker\.rs
# ksft-expect-splat: kernel BUG at rust/helpers/bug\.c
#
# On arm64 a BUG() is a debug exception. die() does not return from it, and linux 7.3 leaves
# the CPU with that exception's mask, and counts it as in an NMI:
# ksft-allow-splat: WARNING: arch/arm64/kernel/process\.c.* at __switch_to
# ksft-allow-splat: WARNING: kernel/context_tracking\.c.* at ct_kernel_exit

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# dies NAME: makes a worker die, and waits for that.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
dies()
{
	do_all "wake $1" && wait_for 10 is "$1" state finished
}

# others_work: whether the other workers do a unit of work when they are woken.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
others_work()
{
	beats=$(value beat runs)
	wakes=$(($(value other wakes) + 1))
	do_all 'wake other' && wait_for 10 is other runs "$wakes" && wait_for 10 at_least beat runs $((beats + 3))
}

ktap_plan 31

demo_load workers=0
if [ "$(control 'create oops kind=oops')" = EINVAL ]; then
	demo_unload
	ktap_skip_all "the module is built without workers that die: KTHREAD_TESTS=1 makes them"
fi
do_all 'start oops' 'run panic kind=panic' 'run other' 'run beat kind=periodic period_us=20000'
ktap_ok_if 'an oops in a worker' dies oops
ktap_ok_if 'the others live on' others_work
ktap_ok_if 'a Rust panic in a worker' dies panic
ktap_ok_if 'the others live on' others_work

for name in oops panic; do
	ktap_eq "$name: what it was asked to do is not done" '1 0' "$(value $name wakes) $(value $name runs)"
	ktap_eq "$name: no command finds a thread" 'ESRCH ESRCH ESRCH EBUSY' \
		"$(control "wake $name") $(control "park $name") $(control "unpark $name") $(control "start $name")"
	ktap_eq "$name: its body has not returned" '' "$(grep returned "$DEMO/workers/$name/lifecycle")"
	ktap_eq "$name: the kernel has no such thread" '' "$(thread_state $name)"
	ktap_eq "$name: its files can be read" "$name" "$(value $name comm identity)"
done
ktap_eq 'one that is dead can be stopped' OK "$(control 'stop oops')"
ktap_eq 'and is gone' 'beat other panic' "$(workers)"
ktap_eq 'its name is free' OK "$(control 'run oops kind=oops')"
ktap_eq 'stop-all stops the dead and the others' OK "$(control stop-all)"
ktap_eq 'all that were created are stopped' "0 $(total created)" "$(total workers) $(total stopped)"

do_all 'run oops kind=oops' 'run other'
dies oops
demo_unload
ktap_ok_if 'the module can be unloaded with one that is dead' demo_is_gone

# join and stop of the API.
MODULE=kthread_dying
ktap_ok_if 'the load returns, though two threads died that it waited for' modprobe $MODULE
dmesg | grep "$MODULE: joined" >/tmp/said
ktap_match 'join and stop say that they died' '*: joined Err(Died), stopped Err(Died)*' "$(cat /tmp/said)"
ktap_match 'parking a dead thread is refused, which C would complain about' '*, parked Err(ESRCH), *' "$(cat /tmp/said)"
ktap_match 'cancelling a work item does not wait for a worker that has died of it' '*, cancelled Ok(false)' "$(cat /tmp/said)"
rm /tmp/said
ktap_match 'who calls a worker that dies is told, and is not waited for' '*called \[Err(ESRCH), Err(ESRCH)\]*' \
	"$(dmesg | grep "$MODULE: called")"
ktap_match 'who waits on a queue on which one has died is woken' '*has died Ok(Ready)*' "$(dmesg | grep "$MODULE: on the queue")"
ktap_match 'who dies while it uses the memory of a process does not take that away' '* users of its memory +0, *' \
	"$(dmesg | grep "$MODULE: users")"
ktap_match 'who waits for a worker that dies is told, and so is who queues' '*, flushed Err(ESRCH), refused Some(Died)' \
	"$(dmesg | grep "$MODULE: users")"
ktap_eq 'the name of a thread is whole in /proc beyond the 15 bytes of comm' \
	survivor-until-the-module-goes "$(cat /proc/[0-9]*/comm 2>/dev/null | grep ^survivor)"
ktap_ok_if 'the module can be unloaded' rmmod $MODULE
ktap_eq 'no thread is left' '' "$(ps -o ppid,args |
	awk '$1 == 2 && $2 ~ /^\[(oops|panic|panics|other|beat|forgotten|deadly|called|caller|canceller|on-mm|on-queue|survivor.*)\]$/ { print $2 }')"

ktap_finished
