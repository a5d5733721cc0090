#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: users of kernel threads in C, from the kernel's tree, and what they were
# ported to do the same in a guest.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)

exec "$top/ports/ports.sh" "$KERNEL" users
