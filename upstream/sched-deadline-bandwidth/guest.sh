#!/bin/sh
# SPDX-License-Identifier: GPL-2.0

lost=0
for task in sleeping dead; do
	lose_bandwidth $task
	case $? in
	0) ;;
	1) lost=$((lost + 1)) ;;
	*) exit 2 ;;
	esac
done
# Both bugs happen, or none.
case $lost in
0) exit 1 ;;
2) exit 0 ;;
esac
exit 2
