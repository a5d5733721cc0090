#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: patches.sh
#
# Writes the series for the kernel tree to build/patches, and runs that tree's checkpatch
# on it.

. "$(dirname "$0")/../scripts/lib.sh"

need_build
src=$("$TOP/scripts/kernel-source.sh") || exit 1
RUSTFMT=$("$TOP/scripts/toolchain.sh" none | sed -n 's/^RUSTFMT=//p')
export RUSTFMT
out=$TOP/build/patches
said=$("$TOP/series/series.py" patches "$src" "$out" 2>&1) || die "${said#series.py: }"
git config user.email >/dev/null ||
	say "patches: git has no user.name and user.email, so the author is Your Name <you@example.org>; see git config"

# The third patch adds the entry in MAINTAINERS for all new files.
# checkpatch's own use of codespell takes minutes for patches of this size.
if ! (cd "$out" && "$src/scripts/checkpatch.pl" --strict --terse --no-summary --show-types --ignore FILE_PATH_CHANGES ./*.patch &&
	/usr/bin/codespell -L crate ./*.patch) >&2; then
	die "checkpatch or codespell complains about build/patches: see above"
fi
say "patches: $(find "$out" -name '*.patch' ! -name 0000-\* | grep -c '') patches for $(basename "$src") and a cover letter are in build/patches; checkpatch and codespell are clean"
say "apply them with: git am --empty=drop build/patches/*.patch"
