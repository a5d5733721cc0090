#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: vm.sh OPTION... (see qemu/vm.py --help)
#
# Builds what is missing, boots a guest, and exits with the status of the script in it, if
# nothing else is wrong. "make vm" does the same, but make exits with 2 on any failure. If
# nothing could be run it exits with 125, like env and timeout; docs/lab.md lists the other
# statuses.

# If stdout or stderr is closed, occupy its number, so that no later file gets it. Writes still fail.
(true >&2) 2>/dev/null || exec 2</dev/null
(true >&1) 2>/dev/null || exec 1</dev/null

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
