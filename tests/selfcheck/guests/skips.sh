#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A test that skips itself.
# selfcheck: skip the reason of the skip

. "$(dirname "$0")/lib/ktap.sh"

ktap_skip_all "the reason of the skip"
