#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A module that stays, with its thread.
# selfcheck: left-behind thread:\[broken_thread\].*module:broken_thread
# selfcheck-boot: own

. "$(dirname "$0")/lib/ktap.sh"

ktap_plan 1
ktap_pass "as if nothing had happened"
modprobe broken_thread
ktap_finished
