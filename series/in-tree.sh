#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: in-tree.sh TREE DIR
#
# Makes DIR the kernel tree TREE with the series of series/ applied. Files that do not change
# are links to TREE, which stays as it is. Others are only written if they differ, so that
# a build in DIR is incremental.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# = 2 ] || die "usage: in-tree.sh TREE DIR"
src=$(cd -- "$1" 2>/dev/null && pwd -P) || die "there is no tree '$1'"
mkdir -p "$2" || exit 1
dir=$(cd -- "$2" && pwd -P) || exit 1

if [ "$(cat "$dir/.linked" 2>/dev/null)" != "$src" ]; then
	# Fail early if the series does not apply.
	said=$("$TOP/series/series.py" check "$src" 2>&1) || die "${said#series.py: }"
	link_tree "$src" "$dir"
	# kunit.py finds the tree by its own path.
	rm -r "$dir/tools/testing/kunit"
	cp -R "$src/tools/testing/kunit" "$dir/tools/testing" || exit 1
	printf '%s\n' "$src" >"$dir/.linked"
fi
said=$("$TOP/series/series.py" write "$src" "$dir" 2>&1) || die "${said#series.py: }"
