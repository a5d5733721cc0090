#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: docs/compare.md is what a guest finds out, but for the numbers of
# its processes and the release of its kernel.

KERNEL=${1:-${KERNEL:-fast}}
. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# masked FILE: its text without numbers.
masked()
{
	sed 's/[0-9][0-9.]*[-+.0-9a-z]*/N/g' "$1"
}

ktap_plan 2
"$top/compare/compare.sh" "$KERNEL" "$work" >"$work/log" 2>&1
ktap_eq 'a guest compares' 0 $? || ktap_diag "$(cat "$work/log")"
masked "$top/docs/compare.md" >"$work/docs"
masked "$work/table.md" >"$work/found"
ktap_eq 'docs/compare.md is what it finds' '' "$(diff "$work/docs" "$work/found" 2>&1)"
ktap_finished
