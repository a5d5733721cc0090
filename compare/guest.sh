#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: prints the results of tests/programs/compare.c.

uname -r | sed 's/^/release	/'
modprobe rust_kthread_demo workers=0 && compare && rmmod rust_kthread_demo
