#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest, as root. "make new-module" makes a copy of it for a module.

# shellcheck source=tests/lib/ktap.sh
. /tests/lib/ktap.sh

# shellcheck disable=SC2317 # It is called by ktap_ok_if.
logged()
{
	dmesg | grep -q "kthread_monitor: $1\$"
}

ktap_plan 3

# More than there can be.
ktap_ok_if 'it loads' modprobe kthread_monitor limit_mb=100000000
ktap_ok_if 'it says that there is too little memory' wait_for 10 logged '[0-9]* MiB available, too little'
ktap_ok_if 'it unloads' rmmod kthread_monitor

ktap_finished
