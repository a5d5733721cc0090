#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: herd.sh [--check]
#
# Prints the path of a herd7 that runs the memory model of the kernel tree. It is the
# machine's own where that is new enough. Else it comes from a newer suite into the
# cache, together with that suite's libc, which runs it beside the machine's own. With
# --check it only tells whether it could.

. "$(dirname "$0")/../scripts/lib.sh"
. "$(dirname "$0")/../scripts/debian.sh"

SUITE=forky
# As tools/memory-model/README of linux 7.2 and 7.3 asks for.
MIN_HERD=7.58
BOX=$CACHE/toolbox/herd

# herd_version PROGRAM
herd_version()
{
	"$1" -version 2>/dev/null | sed -n '1s/^\([0-9][0-9.]*\).*/\1/p'
}

# told: whether there is one, whose path it prints.
told()
{
	for _herd in "$(command -v herd7)" "$BOX/herd7"; do
		if [ -x "$_herd" ] && version_ok "$(herd_version "$_herd")" "$MIN_HERD"; then
			touch "$BOX/used" 2>/dev/null || :
			echo "$_herd"
			return
		fi
	done
	return 1
}

need_arch x86_64
check_cache
! told || exit 0
need_writable
need_space "$CACHE" 250 herd7
check_mirror "$SUITE" "herdtools7 from; or install herd7 $MIN_HERD or newer"
[ -z "${1:-}" ] || exit 0
make_cache
mkdir -p "$BOX"
lock "$BOX/lock" herd7
! told || exit 0

say "herd7: downloading herdtools7 and libc6 from $SUITE into the cache"
debian_suite "$SUITE" ||
	die "could not fetch the package index of $SUITE: $(debian_error): check the network, or install herd7 $MIN_HERD or newer"
version=$(debian_version herdtools7)
version_ok "$version" "$MIN_HERD" ||
	die "$SUITE has herdtools7 ${version:-(none)}: $MIN_HERD or newer is needed; install one"

rm -rf "$BOX"/new.*
new=$(new_directory "$BOX/new")
for package in herdtools7 libc6 libgmp10; do
	debian_download "$package" "$new" ||
		die "the download of $package failed: $(debian_error) (all of it: $APT/log)"
	# The tools beside herd7 are most of the package.
	only=
	[ $package != herdtools7 ] || only="./usr/bin/herd7 ./usr/share/herdtools7/herd"
	# shellcheck disable=SC2086 # words
	dpkg-deb --fsys-tarfile "$new/$package"_*.deb | tar -C "$new" -xf - $only ||
		die "cannot unpack $package in $new"
done
rm -rf "$new"/*.deb "$new/usr/share/doc"
cat >"$new/herd7" <<'END'
#!/bin/sh
# Made by proofs/herd.sh.
usr=$(dirname "$0")/usr
exec "$usr"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path "$usr/lib/x86_64-linux-gnu" \
	"$usr/bin/herd7" -set-libdir "$usr/share/herdtools7/herd" "$@"
END
chmod +x "$new/herd7"
version_ok "$(herd_version "$new/herd7")" "$MIN_HERD" ||
	die "the herd7 of $SUITE does not run on this machine: install herd7 $MIN_HERD or newer"
rm -rf "${BOX:?}/usr" "$BOX/herd7"
mv "$new/usr" "$new/herd7" "$BOX"
rm -rf "$new"
say "herd7: $version from $SUITE is in $BOX"
told
