#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: docs/users.tsv lists the users of kernel threads in the tree, the tables of
# docs/users.md count them, and each pattern has a skeleton there.
# tests/host/examples.sh compiles those.
#
# ksft-kernel: any

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

ktap_plan 5

ktap_eq 'the tables are those of the list' "$("$top/docs/users.py")" \
	"$(sed -n '/^<!-- users: begin/,/^<!-- users: end/p' "$top/docs/users.md" | sed '1d;$d')"
ktap_eq 'each pattern has a skeleton' "$(cut -f 3 "$top/docs/users.tsv" | sed 1d | sort -u)" \
	"$(awk '/^### / { name = $2 } /^```rust/ { print name }' "$top/docs/users.md" | sort -u)"
ktap_eq 'each feature is explained' "$(cut -f 5 "$top/docs/users.tsv" | sed 1d | tr , '\n' | grep -v '^-$' | sort -u)" \
	"$(sed -n '/^| feature/,/^$/s/^| \(`[^|]*\) |.*/\1/p' "$top/docs/users.md" | grep -o '[a-z-]*' | grep . | sort -u)"

source=$(readlink -f "$top/build/$KERNEL/kernel/source")
version=$(sed -n '1,5s/^\(VERSION\|PATCHLEVEL\) = //p' "$source/Makefile" 2>/dev/null | paste -sd .)
if [ "$version" = 7.3 ]; then
	"$top/docs/users.py" "$source" >"$work/log"
	ktap_eq 'the tree has these users, and no others' '0 ' "$? $(cat "$work/log")"
else
	ktap_skip 'the tree has these users, and no others' "the list is about linux 7.3, and this is '$version'"
fi
mkdir -p "$work/kernel"
"$top/docs/users.py" "$work" >"$work/log"
ktap_match 'another tree has not' '1 *there is no such file*' "$? $(cat "$work/log")"
ktap_finished
