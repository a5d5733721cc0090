#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: rust-analyzer.sh NAME|KDIR [SRCDIR]
#
# Writes SRCDIR/rust-project.json, which tells rust-analyzer about the modules there (by
# default those of the lab) and the kernel crate of the kernel NAME, or of the one in KDIR
# (recognised by its slash). The modules must have been built for that kernel.

. "$(dirname "$0")/lib.sh"

name=${1:?usage: rust-analyzer.sh NAME [SRCDIR]}
src=$(cd "${2:-$TOP}" && pwd) || exit 1
case $name in
*/*) built=$src/build/kdir out=$TOP/build/kdir/rust-analyzer ;;
*) built=$src/build/$name out=$TOP/build/$name/rust-analyzer ;;
esac
rm -rf "$out"
"$TOP/scripts/build-module.sh" "$name" "$src" "$out" rust-analyzer || exit 1
set -- "$built"
if [ "$src" = "$TOP" ] && [ -d "$built/module" ]; then
	set -- "$built/module"
	# The self-check builds these.
	[ ! -d "$built/selfcheck/stripped" ] || set -- "$@" "$built/selfcheck"
fi
"$TOP/scripts/rust-project.py" "$@" <"$out/rust-project.json" >"$out/complete.json" ||
	die "what the modules in $src were built with is not known: see above"
cp "$out/complete.json" "$src/rust-project.json" || die "$src/rust-project.json is not writable"
say "rust-analyzer: wrote $src/rust-project.json for the kernel $name"
