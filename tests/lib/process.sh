# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# For tests on the host: watches processes.

# within N COMMAND...: whether it succeeds within N tenths of a second.
within()
{
	_tries=$1
	shift
	until "$@"; do
		_tries=$((_tries - 1))
		[ $_tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# soon COMMAND...: the same, within 30 seconds.
soon()
{
	within 300 "$@"
}

# gone PIDFILE: whether that process is dead.
# shellcheck disable=SC2317
gone()
{
	_state=$(sed 's/.*) //; s/ .*//' "/proc/$(cat "$1")/stat" 2>/dev/null)
	[ -z "$_state" ] || [ "$_state" = Z ]
}
