#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: upstream/ is complete, its patches apply to the tree in use and follow the
# kernel's style, and its reproducers compile. "make upstream" runs them.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

source=$(readlink -f "$top/build/$KERNEL/kernel/source")
[ -f "$source/scripts/checkpatch.pl" ] || ktap_skip_all "the kernel tree of $KERNEL is not here"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$top/upstream" || exit 1

# tree: copies the files that the patches touch from the tree in use to $work/tree.
tree()
{
	rm -rf "$work/tree"
	sed -n 's,^+++ b/\([^[:blank:]]*\).*,\1,p' ./*/*.patch | sort -u | while IFS= read -r file; do
		mkdir -p "$work/tree/${file%/*}"
		[ ! -f "$source/$file" ] || cp "$source/$file" "$work/tree/$file"
	done
}

patched()
{
	said=$("$top/upstream/patched-tree.sh" "$work/tree" "$work/patched" 2>&1)
	status=$?
}

sums()
{
	(cd "$1" && find . -type f -exec sha256sum {} + | sort)
}

# lacks: the missing files of a directory.
lacks()
{
	for bug in */; do
		bug=${bug%/}
		for part in '^# ' '^To: ' '^## What happens' '^## Who is hit' '^## Since when' '^## To repeat it' '^## What to do'; do
			grep -q "$part" "$bug/report.md" 2>/dev/null || echo "$bug/report.md: $part"
		done
		grep -qs '^No reproducer: ' "$bug/report.md" || [ -x "$bug/guest.sh" ] || echo "$bug/guest.sh"
		grep -qs '^No patch: ' "$bug/report.md" || ls "$bug"/*.patch >/dev/null 2>&1 || echo "$bug/*.patch"
		grep -qF "($bug/report.md)" README.md || echo "README.md: $bug"
	done
}

# complaints: those of checkpatch, except ones that the sender has to resolve.
complaints()
{
	for patch in */*.patch; do
		perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --no-summary --show-types \
			--ignore MISSING_SIGN_OFF,MISSING_FIXES_TAG,FILE_PATH_CHANGES "$patch" 2>&1
	done | grep -E '(ERROR|WARNING|CHECK):'
}

compile()
{
	for program in */*.c; do
		grep -qw "$(basename "$program" .c).o" "${program%/*}/Kbuild" 2>/dev/null ||
			"${CC:-cc}" -fsyntax-only -O2 -Wall -Wextra -Werror "$program" 2>&1
	done
}

# applied: applies the patches to a tree, and to some that have other files.
applied()
{
	before=$(sums "$work/tree")
	patched
	ktap_eq 'they apply to the tree in use' '0 ' "$status $said"
	ktap_eq 'which stays as it is' "$before" "$(sums "$work/tree")"
	ktap_ok_if 'and the copy does not' [ "$(sums "$work/patched")" != "$before" ]
	echo other >"$work/tree/kernel/kthread.c"
	patched
	ktap_match 'the patch and the file are named if one does not apply' \
		'1 1 patched-tree.sh: upstream/kthread-delayed-work/0001-*.patch does not apply to *: kernel/kthread.c is not as*' \
		"$status $(printf '%s\n' "$said" | grep -c '') $said"
	rm "$work/tree/kernel/kthread.c"
	patched
	ktap_match 'also where there is no such file' \
		'1 1 patched-tree.sh: upstream/kthread-delayed-work/0001-*.patch does not apply to *: kernel/kthread.c is not as*' \
		"$status $(printf '%s\n' "$said" | grep -c '') $said"
}

ktap_plan 12

ktap_eq 'each directory is whole' '' "$(lacks)"
ktap_eq 'the table names each, and no other' "$(echo */)" "$(sed -n 's,.*](\([^/]*/\)report.md).*,\1,p' README.md | sort | xargs)"
if command -v perl >/dev/null; then
	ktap_eq 'the patches are in the style of the kernel' '' "$(complaints)"
else
	ktap_skip 'the patches are in the style of the kernel' 'there is no perl'
fi

tree
mkdir "$work/bin"
ln -s /usr/bin/* "$work/bin"
rm -f "$work/bin/patch"
said=$(PATH=$work/bin "$top/upstream/patched-tree.sh" "$work/tree" "$work/patched" 2>&1)
ktap_match 'without patch that is said' '1 patched-tree.sh: there is no patch: *' "$? $said"
if command -v patch >/dev/null; then
	applied
else
	ktap_skip_each 'there is no patch (make upstream installs it)' \
		'they apply to the tree in use' 'which stays as it is' 'and the copy does not' \
		'the patch and the file are named if one does not apply' 'also where there is no such file'
fi

if "$top/scripts/build-module.sh" "$KERNEL" . "$work/modules" >"$work/log" 2>&1; then
	ktap_pass 'the modules compile'
else
	ktap_diag "$(cat "$work/log")"
	ktap_fail 'the modules compile'
fi
ktap_eq 'without a warning' '' "$(grep -i warning "$work/log" "$work/modules.log")"
ktap_eq 'and so do the programs' '' "$(compile)"
ktap_finished
