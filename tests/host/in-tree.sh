#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the patches give the same files as series/in-tree.sh, apply with git, and
# are refused for trees that they do not fit. Neither changes the tree. "make kunit" and
# "make check-patches" build the result.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
kernel=$("$top/scripts/kernel-source.sh") || exit 1
RUSTFMT=$("$top/scripts/toolchain.sh" none | sed -n 's/^RUSTFMT=//p')
export RUSTFMT
count=$("$top/series/series.py" list "$kernel" | grep -c '')

# The part of the kernel tree that the series touches, and a little more.
tree()
{
	rm -rf "$work/tree"
	mkdir -p "$work/tree/tools/testing/kunit"
	(cd "$kernel" && cp --parents MAINTAINERS .rustfmt.toml Documentation/rust/index.rst rust/bindings/bindings_helper.h \
		rust/helpers/helpers.c rust/helpers/spinlock.c rust/kernel/lib.rs rust/kernel/error.rs rust/kernel/sync.rs \
		rust/kernel/faux.rs rust/kernel/sync/barrier.rs \
		rust/kernel/sync/completion.rs samples/rust/Kconfig samples/rust/Makefile "$work/tree")
	echo tool >"$work/tree/tools/testing/kunit/kunit.py"
}

in_tree()
{
	said=$("$top/series/in-tree.sh" "$work/tree" "$work/dir" 2>&1)
	status=$?
}

refused()
{
	rm -rf "$work/dir"
	in_tree
	ktap_match "$1" "1 1 in-tree.sh: *$2*" "$status $(printf '%s\n' "$said" | grep -c '') $said"
}

# sums DIR: checksums of all files outside .git, by name.
sums()
{
	(cd "$1" && find -L . -name .git -prune -o ! -name .linked -type f -exec sha256sum {} + | sort -k 2)
}

ktap_plan 22

refused 'no tree' 'there is no tree'
tree
rm "$work/tree/rust/kernel/lib.rs"
refused 'a tree without Rust' 'not a kernel tree with Rust'
tree
mkdir "$work/tree/rust/kernel/kthread"
refused 'a tree that has it' 'already has rust/kernel/kthread'
tree
echo >"$work/tree/rust/kernel/lib.rs"
refused 'another lib.rs' "12-threads does not apply to *: rust/kernel/lib.rs has no line 'pub mod jump_label;'"
tree
echo 'impl Completion {}' >"$work/tree/rust/kernel/sync/completion.rs"
refused 'another completion.rs' '10-completion does not apply to *: rust/kernel/sync/completion.rs is different'
tree
rm "$work/tree/samples/rust/Kconfig"
refused 'a file that lacks' '25-samples does not apply to *: samples/rust/Kconfig is not there'
ktap_ok_if 'nothing has been made' [ ! -e "$work/dir/rust" ]

tree
sums "$work/tree" >"$work/before"
in_tree
ktap_eq 'it is made' '0 ' "$status $said"
ktap_eq 'with the module in the crate' 'pub mod jump_label; pub mod kthread;' \
	"$(grep -A 1 '^pub mod jump_label;' "$work/dir/rust/kernel/lib.rs" | paste -sd ' ')"
# Linux 7.2 has no such barriers.
out='completion|errno|identity'
grep -q '^ *pub struct Read;' "$kernel/rust/kernel/sync/barrier.rs" && out="$out|barrier"
ktap_eq 'with all files but those that the lab alone needs' \
	"$(cd "$top/kthread" && find . -name '*.rs' | grep -vE "/($out)\.rs$" | sort)" \
	"$(cd "$work/dir/rust/kernel/kthread" && find . -name '*.rs' | sort)"
ktap_eq 'with all tests but those of these' \
	"$(grep -h -A 1 '#\[test\]' "$top"/kthread/*.rs "$top"/kthread/*/*.rs | sed -n 's/^ *fn \([a-z0-9_]*\).*/\1/p' | sort |
		grep -vxE "$(sed -n '/#\[test\]/{n;s/^ *fn \([a-z0-9_]*\).*/\1/p}' "$top/kthread/identity.rs" | paste -sd '|')")" \
	"$(grep -rh -A 1 '#\[test\]' "$work/dir/rust" | sed -n 's/^ *fn \([a-z0-9_]*\).*/\1/p' | sort)"
ktap_eq 'with nothing of the lab' '' "$(grep -rlE 'kthread_kunit|proofs/|rust_kthread_demo|Observer|enametoolong|copy of this folder|cfg_attr\(MODULE|#\[path' "$work/dir/rust/kernel/kthread" \
	"$work/dir/samples")"
ktap_eq 'the rest are links' "$work/tree/rust/kernel/sync.rs" \
	"$([ -L "$work/dir/rust/kernel/sync.rs" ] && readlink -f "$work/dir/rust/kernel/sync.rs")"

# Unchanged files are not built again, and removed ones are not built.
touch -d @1 "$work/dir/rust/kernel/lib.rs" "$work/dir/rust/kernel/kthread/mod.rs"
echo >"$work/dir/rust/kernel/kthread/core.rs"
echo >"$work/dir/rust/kernel/kthread/gone.rs"
in_tree
ktap_eq 'again: what is the same stays' '0 1 1' \
	"$status $(stat -c %Y "$work/dir/rust/kernel/lib.rs" "$work/dir/rust/kernel/kthread/mod.rs" | paste -sd ' ')"
ktap_eq 'and what is not is mended' 'same' \
	"$([ ! -e "$work/dir/rust/kernel/kthread/gone.rs" ] && grep -q 'struct Core' "$work/dir/rust/kernel/kthread/core.rs" && echo same)"

# The patches alone, without the lab.
git_there()
{
	git -C "$work/git" -c user.name=me -c user.email=me@example.org -c commit.gpgsign=false "$@" >"$work/log" 2>&1
}

# patches: makes them, and applies them with git.
patches()
{
	ktap_ok_if 'the patches are made' "$top/series/series.py" patches "$work/tree" "$work/patches"
	cp -R "$work/tree" "$work/git"
	git_there init -q && git_there add -A && git_there commit -q -m base
	ktap_eq 'there is a letter and one for each' "$((count + 1))" "$(find "$work/patches" -name '*.patch' | grep -c '')"
	prefixes=
	for n in 1 $((count / 2)) "$count"; do
		while [ "$(git -C "$work/git" rev-list --count HEAD)" -le "$n" ]; do
			next=$(printf %04d "$(git -C "$work/git" rev-list --count HEAD)")
			git_there am -q "$work/patches/$next"-*.patch || break 2
		done
		rm -rf "$work/dir"
		cp -R "$work/tree" "$work/dir"
		"$top/series/series.py" write "$work/tree" "$work/dir" "$n"
		[ "$(sums "$work/git" | grep -v MAINTAINERS)" != "$(sums "$work/dir" | grep -v MAINTAINERS)" ] || prefixes="$prefixes $n"
	done
	ktap_eq 'git applies them, and has then what is built here' " 1 $((count / 2)) $count" "$prefixes"
	ktap_eq 'they are signed off' "$count" "$(grep -l '^Signed-off-by: .* <.*@.*>$' "$work"/patches/*.patch | grep -c '')"
	ktap_eq 'MAINTAINERS says who by' 1 "$(grep -A 1 '^RUST \[KTHREAD\]' "$work/git/MAINTAINERS" | grep -c '^M:.*<.*@.*>$')"
}

python=$(python3 -c 'import sys; print(sys.executable)')
said=$(PATH=/nowhere "$python" "$top/series/series.py" patches "$work/tree" "$work/patches" 2>&1)
ktap_match 'without git that is said' '1 series.py: there is no git: *' "$? $said"
if command -v git >/dev/null; then
	patches
else
	ktap_skip_each 'there is no git (make patches installs it)' \
		'the patches are made' 'there is a letter and one for each' 'git applies them, and has then what is built here' \
		'they are signed off' 'MAINTAINERS says who by'
fi
ktap_eq 'the tree is as it was' "$(cat "$work/before")" "$(sums "$work/tree")"
ktap_finished
