#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: rustdoc.sh NAME
#
# Builds the documentation of kthread/ as rust/Makefile builds that of the kernel
# crate, into build/NAME/rustdoc. A warning is an error, and so is a link to a file
# that the kernel tree does not have. The module must be built for the kernel NAME.

. "$(dirname "$0")/lib.sh"

name=${1:?usage: rustdoc.sh NAME}
cd "$TOP" || exit 1
command=build/$name/module/.$PROJECT_MODULE.o.cmd
src=build/$name/kernel/source
out=build/$name/rustdoc
[ -r "$command" ] || die "the module is not built for the kernel '$name': there is no $command"
[ -r "$src/Makefile" ] || src=build/$name/kernel
[ -r "$src/include/linux/kthread.h" ] || die "the source of the kernel '$name' is not at $src"

# The compiler as kbuild calls it for the module, but for what it writes and reads.
flags=$(sed -n "s/^savedcmd_$PROJECT_MODULE\.o := //p" "$command")
flags=${flags%% --emit=*}
flags=$(printf '%s\n' "$flags" | sed -E 's/ --out-dir [^ ]*//; s/ --remap-path-[a-z]*=[^ ]*//g')
# What stands before the flags is the environment, and then rustc.
rustc=$(printf '%s\n' "$flags" | tr ' ' '\n' | grep -m 1 -E '/?(rustc|clippy-driver)$')
rustdoc=${rustc%/*}/rustdoc
case $rustc in
*/*) ;;
*) rustdoc=rustdoc ;;
esac
rustdoc=${RUSTDOC:-$rustdoc}
command -v "$rustdoc" >/dev/null ||
	die "there is no $rustdoc: install the rustdoc of the compiler that the kernel was built with, or set RUSTDOC"
flags=$(printf '%s\n' "$flags" | sed "s|$rustc |\"\$rustdoc\" |")

rm -rf "$out"
mkdir -p "$out" || exit 1
# Its own crate, as in rust/kernel/: the demo is none of its documentation.
cat >"$out/api.rs" <<EOF
//! The crate that [\`kthread\`] is a part of.
#[path = "$TOP/kthread/mod.rs"]
pub mod kthread;
EOF
eval "set -- $flags"
RUSTC_BOOTSTRAP=1 env "$@" -Dwarnings -Zunstable-options --generate-link-to-definition \
	--extern-html-root-url kernel=https://rust.docs.kernel.org/ \
	--output "$out" --crate-name api "$out/api.rs" ||
	die "rustdoc found fault with the documentation: see above"

# srctree/ links go to the tree that the kernel was built from.
missing=$(grep -Ehro '<a href="srctree/[^"]+"' "$out" | cut -d'"' -f2 | cut -d/ -f2- | sort -u |
	while read -r file; do
		[ -e "$src/$file" ] || echo "$file"
	done)
[ -z "$missing" ] || die "the kernel tree does not have what the documentation links to: $missing"
root=$(cd "$src" && pwd -P)
find "$out" -name '*.html' -type f -print0 |
	xargs -0 sed -Ei "s:<a href=\"srctree/([^\"]+)\">:<a href=\"$root/\\1\">:g"
say "rustdoc: open $out/api/kthread/index.html"
