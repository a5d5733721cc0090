# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Memory that nothing points to any more, as kmemleak finds it, read after ktap.sh.
# A test that looks for it needs kmemleak=on on the kernel's command line.

KMEMLEAK=/sys/kernel/debug/kmemleak

# kmemleak_begin: forgets what was reported before. Fails where kmemleak is not there or not on.
kmemleak_begin()
{
	# To scan stacks is the default; where kmemleak is off it cannot be asked for.
	[ -e "$KMEMLEAK" ] && { echo stack=on && echo clear; } 2> /dev/null > "$KMEMLEAK"
	kmemleak_status=$?
	return $kmemleak_status
}

# kmemleak_end: one result, that nothing has been lost since. Skipped where there is no kmemleak.
kmemleak_end()
{
	if [ "$kmemleak_status" -ne 0 ]; then
		ktap_skip 'no memory is lost' 'kmemleak is not on in this kernel'
		return
	fi
	# What is reported is older than 5 seconds and has not changed since a scan that found it already.
	echo scan > "$KMEMLEAK"
	echo scan > "$KMEMLEAK"
	sleep 6
	echo scan > "$KMEMLEAK"
	ktap_eq 'no memory is lost' '' "$(cat "$KMEMLEAK")"
}
