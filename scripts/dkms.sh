#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: dkms.sh KDIR
#
# Builds the module for dkms, which runs as root and perhaps from within apt, so it installs
# nothing. It uses the metadata that "make metadata" made for root, if there is any, and
# otherwise makes it in the system's cache.

HOME=${HOME:-/root}
export HOME
. "$(dirname "$0")/lib.sh"

kdir=${1:?usage: dkms.sh KDIR}
kdir=$(cd -- "$kdir" 2>/dev/null && pwd -P) || die "$1 does not exist: install the kernel's headers"
cd "$TOP" || exit 1
if ! said=$(scripts/check-kdir.sh "$kdir" 2>&1); then
	case $said in
	*"make metadata"*) ;;
	*) die "${said#*: }" ;;
	esac
	lacking=$(scripts/setup.sh --lacking-metadata | cut -f 1 | tr '\n' ' ')
	[ -z "$lacking" ] || die "building for $kdir needs packages that are not installed: apt-get install --no-install-recommends $lacking"
	XDG_CACHE_HOME=/var/cache
	export XDG_CACHE_HOME
	scripts/metadata.sh "$kdir" >/dev/null || exit 1
fi
scripts/build-module.sh "$kdir/" . build/kdir
