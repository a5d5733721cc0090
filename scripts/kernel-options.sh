#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: kernel-options.sh NAME
#
# Prints what qemu/config/NAME.config asks for, one CONFIG_X=VALUE a line, where
# n stands for "not set". A line "# Base: OTHER" in the fragment takes over what
# OTHER asks for; of several words on one option the last counts.

. "$(dirname "$0")/lib.sh"

name=${1:?usage: kernel-options.sh NAME}
fragment=$TOP/qemu/config/$name.config
[ -f "$fragment" ] ||
	die "there is no kernel '$name': KERNEL is one of $(cd "$TOP/qemu/config" && printf '%s ' *.config | sed 's/\.config//g')"

base=$(sed -n 's/^# Base: //p' "$fragment")
inherited=
if [ -n "$base" ]; then
	inherited=$("$0" "$base") || exit 1
fi
{
	printf '%s\n' "$inherited"
	sed -n 's/^# \(CONFIG_[A-Za-z0-9_]*\) is not set.*/\1=n/p; s/^\(CONFIG_[^#]*[^#[:blank:]]\).*/\1/p' "$fragment"
} | awk -F = '
	NF && !($1 in value) { order[n++] = $1 }
	{ value[$1] = $0 }
	END { for (i = 0; i < n; i++) print value[order[i]] }'
