#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: patched-tree.sh TREE DIR
#
# Makes DIR the kernel tree TREE with the patches of upstream/ applied. Files that they do
# not touch are links to TREE, which stays as it is.

. "$(dirname "$0")/../scripts/lib.sh"

[ $# = 2 ] || die "usage: patched-tree.sh TREE DIR"
command -v patch >/dev/null || die "there is no patch: make upstream installs it"
src=$(cd -- "$1" 2>/dev/null && pwd -P) || die "there is no tree '$1'"
mkdir -p "$2" || exit 1
dir=$(cd -- "$2" && pwd -P) || exit 1

# touched PATCH...: the files that they change.
touched()
{
	sed -n 's,^+++ b/\([^[:blank:]]*\).*,\1,p' "$@" | LC_ALL=C sort -u
}

link_tree "$src" "$dir"
touched "$TOP"/upstream/*/*.patch | while IFS= read -r file; do
	[ -e "$src/$file" ] || continue
	rm "$dir/$file" || exit 1
	cp "$src/$file" "$dir/$file" || exit 1
done || exit 1
for patch in "$TOP"/upstream/*/*.patch; do
	# Without fuzz, like git am.
	said=$(patch -d "$dir" -p1 -N -s -F0 --no-backup-if-mismatch <"$patch" 2>&1) && continue
	failed=$(printf '%s\n' "$said" | sed -n 's/.* saving rejects to file \(.*\)\.rej$/\1/p' | head -n 1)
	[ -n "$failed" ] || failed=$(touched "$patch" | while IFS= read -r file; do
		[ -e "$src/$file" ] || echo "$file"
	done | head -n 1)
	die "${patch#"$TOP/"} does not apply to $src: ${failed:-$said} is not as the patch expects it: name another tree with KERNEL_SRC=, or remove the patch"
done
