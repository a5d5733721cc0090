#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Results out of order.
# selfcheck: ktap result 2 where 1 was due

echo "KTAP version 1"
echo "1..2"
echo "ok 2 two"
echo "ok 1 one"
