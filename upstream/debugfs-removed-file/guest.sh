#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-splat: BUG: unable to handle page fault

modprobe removed || exit 2
open_removed
case $? in
0) exit 1 ;;
# The program was killed.
137) exit 0 ;;
esac
exit 2
