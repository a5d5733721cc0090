# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Checks for leaks with kmemleak. Sourced after ktap.sh. A test that uses it needs
# kmemleak=on on the kernel's command line.

KMEMLEAK=/sys/kernel/debug/kmemleak

# kmemleak_begin: clears earlier reports. Fails if kmemleak is not there or not on.
kmemleak_begin()
{
	# Scanning stacks is the default; kmemleak refuses this if it is off.
	[ -e "$KMEMLEAK" ] && (echo stack=on && echo clear) 2>/dev/null >"$KMEMLEAK"
	kmemleak_status=$?
	return $kmemleak_status
}

# kmemleak_end: one result: no leaks since kmemleak_begin. Skipped without kmemleak.
kmemleak_end()
{
	if [ "$kmemleak_status" -ne 0 ]; then
		ktap_skip 'no memory is lost' 'kmemleak is not on in this kernel'
		return
	fi
	# kmemleak only reports objects that are older than 5 seconds and unchanged since the previous scan.
	echo scan >"$KMEMLEAK"
	echo scan >"$KMEMLEAK"
	sleep 6
	echo scan >"$KMEMLEAK"
	ktap_eq 'no memory is lost' '' "$(cat "$KMEMLEAK")"
}
