#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: a guest with a terminal, for a shell and for a debugger, does what
# is typed, and is gone once what started it is, however that ended.
#
# ksft-kernel: any

exec python3 "$(dirname "$0")/terminal.py" "${1:-${KERNEL:-fast}}"
