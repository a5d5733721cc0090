#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A reader that keeps a grace period waiting.
# selfcheck-config: CONFIG_PREEMPT_RCU
# selfcheck: splat rcu: INFO: rcu_preempt detected expedited stalls
# selfcheck: counters? rcu_stall_count
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
# With PREEMPT_RT, no grace period is expedited unless one asks for it.
echo 0 >/sys/kernel/rcu_normal
# Complain after 40 ms.
echo 40 >/sys/module/rcupdate/parameters/rcu_exp_cpu_stall_timeout
modprobe broken_rcu_stall
rmmod broken_rcu_stall
ktap_finished
