#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A nested KTAP that is indented wrongly: the message is about what the test printed.
# selfcheck: ktap line 3: a nested KTAP is indented by 3, not by 2$

echo "KTAP version 1"
echo "1..1"
echo "   KTAP version 1"
echo "   1..1"
echo "   ok 1 inner"
echo "ok 1 outer"
