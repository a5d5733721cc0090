#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: proofs.sh [--tests DIR] [--code DIR] [--only NAME]
#
# Proves the orderings of kthread/ and demo/ by the memory model of the kernel tree, and
# checks that the proofs are about the code as it is: see docs/proofs.md.

. "$(dirname "$0")/../scripts/lib.sh"

need_host
src=$("$TOP/scripts/kernel-source.sh") || exit 1
[ -f "$src/tools/memory-model/linux-kernel.cfg" ] ||
	die "the kernel tree $src has no tools/memory-model: name a whole one by KERNEL_SRC"
herd=$("$TOP/proofs/herd.sh") || exit 1
exec python3 "$TOP/proofs/litmus.py" "$@" "$src" "$herd"
