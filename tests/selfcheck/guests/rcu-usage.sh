#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A pointer under RCU that is followed without rcu_read_lock().
# selfcheck-config: CONFIG_PROVE_RCU
# selfcheck: splat WARNING: suspicious RCU usage

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_rcu_usage
rmmod broken_rcu_usage
ktap_finished
