#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: prepare.sh [--demo] NAME [COMMAND...]
#
# Builds everything that a guest with the kernel NAME needs, then runs COMMAND. With --demo
# only the demo is built, not the modules of tests and samples, which take four times as
# long. Allows one run at a time in a checkout: it holds the lock until COMMAND ends.

. "$(dirname "$0")/lib.sh"

modules=modules
if [ "${1:-}" = --demo ]; then
	modules=$PROJECT_MODULE.ko
	shift
fi
name=${1:?usage: prepare.sh [--demo] NAME [COMMAND...]}
shift
cd "$TOP" || exit 1
scripts/kernel-options.sh "$name" >/dev/null || exit 1

need_build
mkdir -p build || exit 1
if command -v flock >/dev/null; then
	(: >>build/lock) 2>/dev/null || die "$TOP/build/lock is not writable for $(id -un): have build/ removed or given to you"
	exec 9>>build/lock
	try_lock 9 "$TOP/build/lock" || die "another run works in this checkout (process $(cat build/lock)): wait for it to end"
	echo $$ >build/lock
fi

attached scripts/setup.sh "$name" || exit 1
attached scripts/build-kernel.sh "$name" || exit 1
attached scripts/build-module.sh "$name" . "build/$name/module" "$modules" || exit 1

# Only this script holds the lock, not what the command leaves behind.
[ $# -eq 0 ] || attached "$@"
