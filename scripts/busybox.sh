#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: busybox.sh [--check] ARCH
#
# Puts a static busybox for a foreign architecture into the cache, from this machine's
# Debian release, so that it has the same programs. Installs nothing. With --check it
# only checks whether it could.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

only_check=
if [ "${1:-}" = --check ]; then
	only_check=yes
	shift
fi
arch=${1:?usage: busybox.sh [--check] ARCH}
debian=$(arch "$arch" DEBIAN)
place=$CACHE/busybox/$arch

check_cache
[ ! -s "$place/busybox" ] || exit 0
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null)
: "${suite:=trixie}"
need_writable
check_mirror "$suite" "busybox for $arch from"
[ -z "$only_check" ] || exit 0
make_cache
mkdir -p "$CACHE/busybox"
lock "$CACHE/busybox/lock" "busybox for $arch"
[ ! -s "$place/busybox" ] || exit 0

say "busybox: fetching that of $arch from $suite into the cache"
debian_suite "$suite" "$debian" ||
	die "could not fetch the package index of $suite for $debian: $(debian_error): check the network, and whether the mirror has $debian"
rm -rf "$CACHE"/busybox/new.*
new=$(new_directory "$CACHE/busybox/new")
debian_download busybox-static "$new" ||
	die "the download of busybox-static for $debian failed: $(debian_error) (all of it: $APT/log)"
dpkg-deb -x "$new"/*.deb "$new/root" || die "failed to unpack busybox-static in $new"
box=$(find "$new/root" -path '*/bin/busybox' -type f)
[ -n "$box" ] || die "busybox-static for $debian holds no busybox"
mkdir -p "$place"
mv "$box" "$place/busybox" || exit 1
rm -rf "$new"
