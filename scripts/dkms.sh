#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: dkms.sh KDIR
#
# Builds the module for dkms, which runs as root and perhaps amid apt's own work: so
# nothing is installed, and what the headers lack is made in a cache of the system's.

HOME=${HOME:-/root}
XDG_CACHE_HOME=/var/cache
export HOME XDG_CACHE_HOME
. "$(dirname "$0")/lib.sh"

kdir=${1:?usage: dkms.sh KDIR}
kdir=$(cd -- "$kdir" 2>/dev/null && pwd -P) || die "$1 does not exist: install the kernel's headers"
cd "$TOP" || exit 1
if ! "$TOP/scripts/check-kdir.sh" "$kdir" 2>/dev/null; then
	lacking=$("$TOP/scripts/setup.sh" --lacking-metadata | cut -f 1 | tr '\n' ' ')
	[ -z "$lacking" ] || die "to build for $kdir takes packages that are not here: apt-get install --no-install-recommends $lacking"
	"$TOP/scripts/metadata.sh" "$kdir" >/dev/null || exit 1
	"$TOP/scripts/check-kdir.sh" "$kdir" || exit 1
fi
"$TOP/scripts/build-module.sh" "$kdir/" . build/kdir
