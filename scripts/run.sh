#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: run.sh COMMAND...
#
# Runs COMMAND in the checkout, with the environment that lib.sh gives to scripts.

. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || die "usage: run.sh COMMAND..."
cd "$TOP" || exit 1
exec "$@"
