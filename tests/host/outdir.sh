#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: an archive from the guest, whatever is in it, changes nothing
# outside of the directory that it is for.
#
# ksft-kernel: any

exec python3 "$(dirname "$0")/outdir.py"
