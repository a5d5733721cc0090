#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel behaves like the model that kthread/ is checked on: see docs/proofs.md.

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 3
ktap_ok_if 'the same calls give the same' modprobe kthread_calls ||
	ktap_diag "$(dmesg | grep 'kthread_calls: step')"
ktap_match 'all of them' '*kthread_calls: [1-9][0-9] steps, 0 wrong' "$(dmesg | grep 'kthread_calls: .* wrong' | tail -n 1)"
ktap_ok_if 'and the module can be unloaded' rmmod kthread_calls
ktap_finished
