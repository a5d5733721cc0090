#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: in-tree.sh TREE DIR
#
# Has in DIR the kernel tree TREE with kthread/ in rust/kernel/, as it would be after a
# series of patches. What does not change is a link to TREE, where nothing is written;
# what does is only written if it is another, so that a build in DIR goes on.

. "$(dirname "$0")/lib.sh"

[ $# = 2 ] || die "usage: in-tree.sh TREE DIR"
src=$(cd -- "$1" 2>/dev/null && pwd -P) || die "there is no tree '$1'"
mkdir -p "$2" || exit 1
dir=$(cd -- "$2" && pwd -P) || exit 1

[ -f "$src/rust/kernel/lib.rs" ] || die "$src is no kernel tree with Rust: rust/kernel/lib.rs is not there"
[ ! -e "$src/rust/kernel/kthread" ] || die "$src has a rust/kernel/kthread of its own: name another tree with KERNEL_SRC="
[ "$(grep -cx 'pub mod jump_label;' "$src/rust/kernel/lib.rs")" = 1 ] ||
	die "kthread/ cannot be put into $src: rust/kernel/lib.rs has no line 'pub mod jump_label;' to stand beside"

# put FILE: has stdin in it.
put()
{
	mkdir -p "$dir/${1%/*}"
	cat >"$dir/$1.new" || exit 1
	if [ -L "$dir/$1" ] || ! cmp -s "$dir/$1.new" "$dir/$1"; then
		rm -f "${dir:?}/$1"
		mv "$dir/$1.new" "$dir/$1"
	else
		rm "$dir/$1.new"
	fi
}

if [ "$(cat "$dir/.linked" 2>/dev/null)" != "$src" ]; then
	find "$dir" -mindepth 1 -delete
	cp -rs "$src/." "$dir" || die "no room for the links in $dir"
	# kunit.py finds the tree by where it is itself.
	rm -r "$dir/tools/testing/kunit"
	cp -R "$src/tools/testing/kunit" "$dir/tools/testing" || exit 1
	printf '%s\n' "$src" >"$dir/.linked"
fi
sed '/^pub mod jump_label;$/a pub mod kthread;' "$src/rust/kernel/lib.rs" | put rust/kernel/lib.rs
# In the tree there is one copy of the tests, and KUnit decides about it.
(cd "$TOP/kthread" && find . -name '*.rs' -printf '%P\n') | while IFS= read -r file; do
	sed 's/#\[cfg(kthread_kunit)\]/#[cfg(CONFIG_KUNIT)]/' "$TOP/kthread/$file" | put "rust/kernel/kthread/$file"
done
(cd "$dir/rust/kernel/kthread" && find . -name '*.rs' -printf '%P\n') | while IFS= read -r file; do
	[ -e "$TOP/kthread/$file" ] || rm "$dir/rust/kernel/kthread/$file"
done
