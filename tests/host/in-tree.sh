#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: what scripts/in-tree.sh makes is the kernel tree with kthread/ in it,
# by links, and leaves the tree itself alone. "make kunit" builds it.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

tree()
{
	rm -rf "$work/tree"
	mkdir -p "$work/tree/rust/kernel/sub" "$work/tree/tools/testing/kunit"
	printf 'pub mod irq;\npub mod jump_label;\npub mod list;\n' >"$work/tree/rust/kernel/lib.rs"
	echo kept >"$work/tree/rust/kernel/sub/kept.rs"
	echo tool >"$work/tree/tools/testing/kunit/kunit.py"
}

in_tree()
{
	said=$("$top/scripts/in-tree.sh" "$work/tree" "$work/dir" 2>&1)
	status=$?
}

refused()
{
	in_tree
	ktap_match "$1" "1 1 in-tree.sh: *$2*" "$status $(printf '%s\n' "$said" | grep -c '') $said"
}

ktap_plan 12

refused 'no tree' 'there is no tree'
tree
rm "$work/tree/rust/kernel/lib.rs"
refused 'a tree without Rust' 'no kernel tree with Rust'
tree
mkdir "$work/tree/rust/kernel/kthread"
refused 'a tree that has it' 'a rust/kernel/kthread of its own'
tree
echo >"$work/tree/rust/kernel/lib.rs"
refused 'another lib.rs' "rust/kernel/lib.rs has no line 'pub mod jump_label;'"

tree
find "$work/tree" -type f -exec sha256sum {} + | sort >"$work/before"
in_tree
ktap_eq 'it is made' '0 ' "$status $said"
ktap_eq 'with the module in the crate' 'pub mod irq; pub mod jump_label; pub mod kthread; pub mod list;' \
	"$(paste -sd ' ' "$work/dir/rust/kernel/lib.rs")"
ktap_eq 'with all its files' "$(cd "$top/kthread" && find . -name '*.rs' | sort)" \
	"$(cd "$work/dir/rust/kernel/kthread" && find . -name '*.rs' | sort)"
ktap_eq 'whose tests KUnit decides about' '' "$(grep -rl kthread_kunit "$work/dir/rust/kernel/kthread")"
ktap_eq 'the rest are links' "$work/tree/rust/kernel/sub/kept.rs" "$([ -L "$work/dir/rust/kernel/sub/kept.rs" ] && readlink -f "$work/dir/rust/kernel/sub/kept.rs")"

# What has not changed is not built again, and what is gone is not built either.
touch -d @1 "$work/dir/rust/kernel/lib.rs" "$work/dir/rust/kernel/kthread/mod.rs"
echo >"$work/dir/rust/kernel/kthread/core.rs"
echo >"$work/dir/rust/kernel/kthread/gone.rs"
in_tree
ktap_eq 'again: what is the same stays' '0 1 1' \
	"$status $(stat -c %Y "$work/dir/rust/kernel/lib.rs" "$work/dir/rust/kernel/kthread/mod.rs" | paste -sd ' ')"
ktap_eq 'and what is not is mended' 'same' \
	"$([ ! -e "$work/dir/rust/kernel/kthread/gone.rs" ] && grep -q 'struct Core' "$work/dir/rust/kernel/kthread/core.rs" && echo same)"
ktap_eq 'the tree is as it was' "$(cat "$work/before")" "$(find "$work/tree" -type f -exec sha256sum {} + | sort)"
ktap_finished
