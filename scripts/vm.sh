#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: vm.sh OPTION... (qemu/vm.py --help tells them)
#
# Builds what lacks, boots a guest, and ends with the status of the script in it, if
# nothing else is wrong. "make vm" is this, but make ends with 2 whatever that was.
# Where nothing could be run it ends with 125, as env and timeout do; docs/lab.md has
# the others.

# What is closed must not become some file that is opened later. What is written there still fails.
{ true >&2; } 2>/dev/null || exec 2</dev/null
{ true >&1; } 2>/dev/null || exec 1</dev/null

. "$(dirname "$0")/lib.sh"

# The options that say what to build.
kernel=fast
module=
help=
previous=
for word; do
	case $previous in
	--kernel) kernel=$word ;;
	--module) module=$word ;;
	esac
	case $word in
	--kernel=*) kernel=${word#*=} ;;
	--module=*) module=${word#*=} ;;
	-h | --help) help=yes ;;
	esac
	previous=$word
done

if [ -z "$help" ]; then
	if [ -n "$module" ]; then
		module=$(realpath -s -- "$module")
		set -- "$@" --module "$module"
	fi
	"$TOP/scripts/prepare.sh" "$kernel" \
		${module:+"$TOP/scripts/build-module.sh" "$kernel" "$module" "$module/build/$kernel"}
	status=$?
	case $status in
	0) ;;
	# Ended by a signal.
	129 | 130 | 143) exit $status ;;
	*)
		say "vm.sh: nothing was run (status 125)"
		exit 125
		;;
	esac
fi
exec "$TOP/qemu/vm.py" "$@"
