#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: mutants.sh [--only PATTERN,...] [--sample NUMBER --seed SEED] [--kernel NAME]
#
# Shows which small changes of the code no test notices: see docs/proofs.md. Without arguments
# it runs all of them, which takes hours, and goes on where an earlier run has stopped.

. "$(dirname "$0")/../scripts/lib.sh"

need_host
need_build
src=$("$TOP/scripts/kernel-source.sh") || exit 1
src=$(cd "$src" && pwd -P) || exit 1
herd=$("$TOP/proofs/herd.sh") || exit 1
tools=$("$TOP/scripts/toolchain.sh" | grep -E '^(RUSTC|HOSTRUSTC|BINDGEN|LIBCLANG_PATH)=')
make_cache
place=$CACHE/kunit/$(printf '%s\n' "$src" "$tools" mutants | hash_of)
need_space "$CACHE" 800 "a kernel with the mutants in it"
mkdir -p "$place" "$TOP/build/mutants"
lock "$place/lock" "the mutants"
touch "$place/used"
ln -sfn "$src" "$place/source"
[ -f "$place/tree/.linked" ] || "$TOP/series/in-tree.sh" "$src" "$place/tree" || exit 1

set -- "$@" "$src" "$herd" "$place"
for tool in $tools; do
	set -- "$@" "$tool"
done
exec python3 "$TOP/proofs/mutants.py" "$@"
