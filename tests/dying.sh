#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Threads that die of an oops or a Rust panic: who waits for them is told, the others
# live on, and the module can still be unloaded.
#
# ksft-expect-splat: BUG: kernel NULL pointer dereference
# ksft-expect-splat: rust_kernel: panicked at .*tests/modules/dying\.rs
# ksft-expect-splat: kernel BUG at rust/helpers/bug\.c

. "$(dirname "$0")/lib/ktap.sh"

MODULE=kthread_dying

ktap_plan 5

ktap_ok_if 'the load returns, though two threads died that it waited for' modprobe "$MODULE"
ktap_match 'join and stop say that they died, and another lives on' \
	'*joined Err(Died), stopped Err(Died), survivor Ok(*' "$(dmesg | grep "$MODULE: joined")"
ktap_eq 'the name of a thread is whole in /proc beyond the 15 bytes of comm' \
	survivor-until-the-module-goes "$(cat /proc/[0-9]*/comm 2> /dev/null | grep ^survivor)"
ktap_ok_if 'the module can be unloaded' rmmod "$MODULE"
ktap_eq 'no thread is left' '' "$(ps -o ppid,args |
	awk '$1 == 2 && $2 ~ /^\[(oops|panics|forgotten|survivor.*)\]$/ { print $2 }')"

ktap_finished
