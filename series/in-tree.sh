#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: in-tree.sh TREE DIR
#
# Has in DIR the kernel tree TREE with the series of series/ applied. What does not change
# is a link to TREE, where nothing is written; what does is only written if it is another,
# so that a build in DIR goes on.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# = 2 ] || die "usage: in-tree.sh TREE DIR"
src=$(cd -- "$1" 2>/dev/null && pwd -P) || die "there is no tree '$1'"
mkdir -p "$2" || exit 1
dir=$(cd -- "$2" && pwd -P) || exit 1

if [ "$(cat "$dir/.linked" 2>/dev/null)" != "$src" ]; then
	# Nothing is made for a tree that the series does not apply to.
	said=$("$TOP/series/series.py" check "$src" 2>&1) || die "${said#series.py: }"
	link_tree "$src" "$dir"
	# kunit.py finds the tree by where it is itself.
	rm -r "$dir/tools/testing/kunit"
	cp -R "$src/tools/testing/kunit" "$dir/tools/testing" || exit 1
	printf '%s\n' "$src" >"$dir/.linked"
fi
said=$("$TOP/series/series.py" write "$src" "$dir" 2>&1) || die "${said#series.py: }"
