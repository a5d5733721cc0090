#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: a guest with a terminal, for a shell and for a debugger, reacts to input,
# and ends with its starter, even if that is killed.
#
# ksft-kernel: any

exec python3 "$(dirname "$0")/terminal.py" "${1:-${KERNEL:-fast}}"
