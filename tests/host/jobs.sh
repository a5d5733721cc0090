#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: urgent jobs on a worker that is a real-time thread do not wait for computations, as
# they do in a workqueue.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)

exec "$top/ports/ports.sh" "$KERNEL" jobs
