#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: an archive from the guest, even a malicious one, changes nothing outside of
# its directory.
#
# ksft-kernel: any

exec python3 "$(dirname "$0")/outdir.py"
