#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: packaged-kernel.sh [--is-built|--check] NAME PACKAGE
#	 packaged-kernel.sh --symbols NAME
#
# Fetches the kernel of Debian's metapackage PACKAGE into the cache, from the first suite
# that has it new enough, and points build/NAME/kernel at a folder with its image and the
# metadata for modules, which is all that is built. The options are those of
# build-kernel.sh. --symbols checks that the debug symbols of such a kernel are there, and
# fetches them with SYMBOLS=1; it does nothing for a kernel of the lab.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

only_ask=
case ${1:-} in
--is-built | --check | --symbols)
	only_ask=$1
	shift
	;;
esac
name=${1:?usage: packaged-kernel.sh [--is-built|--check|--symbols] KERNEL [PACKAGE]}
package=${2:-$(kernel_package "$name")}
if [ -z "$package" ]; then
	[ "$only_ask" != --symbols ] || exit 0
	die "the kernel '$name' is not a package"
fi

need_arch x86_64
check_cache
flavour=${package#linux-image-}
place=$CACHE/packaged

link()
{
	_out=$("$TOP/scripts/metadata.sh" --find "$1/headers") && [ -s "$_out/vmlinuz" ] || return 1
	mkdir -p "$TOP/build/$name"
	ln -sfn "$_out" "$TOP/build/$name/kernel"
	touch "$1/used" 2>/dev/null || :
}

# symbols: fetches the kernel with debug symbols, one file of a large package.
symbols()
{
	read -r release version suite <"$current/whole"
	_out=$("$TOP/scripts/metadata.sh" --find "$current/headers") || die "the kernel $name is not there: make demo KERNEL=$name fetches it"
	[ ! -s "$_out/vmlinux.debug" ] || return 0
	_package=linux-image-$release-dbg
	[ "${SYMBOLS:-0}" = 1 ] ||
		die "the symbols of $release are not here: SYMBOLS=1 fetches them, from a package of 1 GB or more; KERNEL=debug has its own"
	need_writable
	need_space "$place" 3000 "the symbols of $release"
	check_mirror "$suite" "$_package from"
	lock "$place/lock" "kernel $name"
	debian_suite "$suite" || die "could not fetch the package index of $suite: $(debian_error): check the network"
	debian_versions "$_package" | grep -qxF "$version" ||
		die "$suite has no $_package of $version any more: make cache PRUNE=packaged/$flavour makes room for the newer kernel"
	rm -rf "$place"/new.*
	new=$(new_directory "$place/new")
	progress_start "kernel $name: fetching its symbols" "$(debian_size "$_package=$version")" fetched
	debian_download "$_package=$version" "$new" || die "the download of $_package failed: $(debian_error) (all of it: $APT/log)"
	progress_stop
	progress_start "kernel $name: unpacking its symbols" 0 nothing
	dpkg-deb --fsys-tarfile "$new"/*.deb |
		tar -xO --wildcards "*/vmlinux-$release" "*/$release/vmlinux" >"$new/vmlinux" 2>/dev/null
	[ -s "$new/vmlinux" ] || die "$_package holds no vmlinux of $release"
	mv "$new/vmlinux" "$_out/vmlinux.debug" || exit 1
	rm -rf "$new"
	progress_stop
}

fetched()
{
	du -sk "$new" | cut -f 1
}

# Once fetched, a kernel keeps its version. Remove it from the cache to get a newer one.
current=$place/$flavour
if [ "$only_ask" = --symbols ]; then
	symbols
	exit
fi
if link "$current" 2>/dev/null; then
	exit
fi
[ "$only_ask" != --is-built ] || exit 1
need_writable
need_space "$place" 3500 "kernel $name, with the source and the compilers for its metadata"
check_mirror "${KERNEL_SUITES%% *}" "$package from"
[ -z "$only_ask" ] || exit 0
make_cache
mkdir -p "$place"
lock "$place/lock" "kernel $name"
if link "$current" 2>/dev/null; then
	exit
fi

if [ ! -f "$current/whole" ]; then
	found=
	for suite in $KERNEL_SUITES; do
		say "kernel $name: looking for $package in $suite"
		debian_has_suite "$suite" "" || continue
		version=$(debian_version "$package")
		series=$(kernel_series "$version")
		if [ -n "$series" ] && version_ok "$series" "$MIN_KERNEL"; then
			found=yes
			break
		fi
	done
	[ -n "$found" ] || die "the mirror has no $package of $MIN_KERNEL or newer in $KERNEL_SUITES: use the lab's own kernels"
	# The metapackage depends on the image of one release.
	release=$(debian_depends "$package" | sed -n 's/^linux-image-\([0-9].*\)$/\1/p' | head -n 1)
	[ -n "$release" ] || die "$package $version of $suite does not name a kernel"

	rm -rf "$place"/new.*
	new=$(new_directory "$place/new")
	say "kernel $name: fetching $release ($version) from $suite"
	progress_start "kernel $name: fetching" 0 nothing
	# Older kernels have their image in the package of that name, newer ones in a separate one.
	for one in $(debian_parts "$release"); do
		debian_download "$one" "$new" || die "the download of $one failed: $(debian_error) (all of it: $APT/log)"
	done
	for one in "$new"/*.deb; do
		dpkg-deb -x "$one" "$new/root" || die "failed to unpack ${one##*/} in $new"
		rm -f "$one"
	done
	progress_stop
	headers=$(find "$new/root/usr/src" -maxdepth 1 -name "linux-headers-$release" | head -n 1)
	image=$(find "$new/root" \( -path "*/modules/$release/vmlinuz" -o -path "*/boot/vmlinuz-$release" \) | head -n 1)
	map=$(find "$new/root" \( -path "*/modules/$release/System.map" -o -path "*/boot/System.map-$release" \) | head -n 1)
	[ -n "$headers" ] || die "the packages of $release hold no headers: use the lab's own kernels"
	[ -n "$image" ] || die "the packages of $release hold no kernel: use the lab's own kernels"
	mkdir "$new/beside"
	cp "$map" "${map%/*}"/modules.builtin* "$new/beside" && cp "$image" "$new/vmlinuz" && mv "$headers" "$new/headers" || exit 1
	rm -rf "$new/root"
	echo "$release $version $suite" >"$new/whole"
	sync -f "$new"
	rm -rf "$current"
	mv "$new" "$current"
fi
read -r release version suite <"$current/whole"
out=$("$TOP/scripts/metadata.sh" "$current/headers") || exit 1
cp "$current"/beside/* "$out" || die "no room in $out"
cp "$current/vmlinuz" "$out/vmlinuz.$$" || die "no room in $out"
mv "$out/vmlinuz.$$" "$out/vmlinuz" || die "no room in $out"
link "$current" || die "$out is not usable"
say "kernel $name: $release, version $version from $suite"
