#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: kernel-source.sh [--check]
#	 kernel-source.sh --of SERIES VERSION [SUITE]
#
# Prints the path of the kernel tree to build. KERNEL_SRC names one; without it the tree is
# the distribution's linux-source package, which is fetched and unpacked into the cache.
# With --check it fetches nothing and only checks whether it could; it prints nothing if
# the tree is not there yet. With --of it is exactly that VERSION of the package
# linux-source-SERIES; if no suite has it, an error lists the suites.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

need_host
TESTED=7.3
SUITES=$KERNEL_SUITES

tree_version()
{
	awk -F ' *= *' '/^VERSION/ { v = $2 } /^PATCHLEVEL/ { p = $2 } /^NAME/ { exit } END { print v "." p }' "$1/Makefile" 2>/dev/null
}

is_tree()
{
	[ -f "$1/Kconfig" ] && [ -f "$1/Kbuild" ] && [ -d "$1/rust/kernel" ]
}

# clean_copy [--check]: sets src to a copy of it in the cache, without build products.
# kbuild refuses O= for a tree that was built in place, and its owner may need the build.
clean_copy()
{
	make_cache
	copy=$CACHE/trees/$(printf '%s\n' "$src" | hash_of)
	if [ -z "$1" ]; then
		command -v rsync >/dev/null ||
			die "KERNEL_SRC=$KERNEL_SRC was built in place, and is copied with rsync: install that, or name a tree that was not"
		mkdir -p "$copy" || exit 1
		lock "$copy/lock" "kernel tree"
		if [ ! -f "$copy/whole" ] || [ -n "$(find "$src" -name .git -prune -o -cnewer "$copy/whole" -print | head -n 1)" ]; then
			refresh_copy
		fi
		touch "$copy/used"
	fi
	src=$copy/tree
}

refresh_copy()
{
	need_space "$copy" 2000 "a copy of $src"
	say "kernel tree: $KERNEL_SRC was built in place or has a path that kbuild does not accept: copying it, without build products, to $copy/tree"
	rm -f "$copy/whole"
	# Changes from now on go into the next copy.
	printf '%s\n' "$src" >"$copy/origin"
	progress_start "kernel tree: copying" 0 nothing
	if ! rsync -a --delete --exclude=/.git --exclude='*.o' --exclude='*.ko' --exclude='*.a' --exclude='.*.cmd' \
		--exclude=/vmlinux "$src/" "$copy/tree" >"$copy/log" 2>&1 ||
		! build make -C "$copy/tree" mrproper >>"$copy/log" 2>&1; then
		die "KERNEL_SRC=$KERNEL_SRC could not be copied; the log: $copy/log"
	fi
	progress_stop
	mv "$copy/origin" "$copy/whole"
}

# tree_of VERSION: the name of a package's tree in the cache. kbuild leaves the path
# unquoted in many places, so it has only plain characters.
tree_of()
{
	echo "linux-$(printf '%s\n' "$1" | tr -c 'A-Za-z0-9.\n' -)"
}

# get_tree SUITE PACKAGE VERSION: fetches and unpacks it, under the lock. Sets $tree.
get_tree()
{
	APT=$CACHE/apt/$1
	size=$(debian_size "$2=$3")

	# Remove what an interrupted run left.
	rm -rf "$sources"/new.*
	new=$(new_directory "$sources/new")
	start=$(date +%s)
	say "kernel tree: downloading $2 $3 from $1 ($((${size:-0} / 1024)) MiB)"
	progress_start "kernel tree: downloading" "${size:-0}" downloaded
	debian_download "$2=$3" "$new" ||
		die "the download of $2 failed: $(debian_error) (all of it: $APT/log)"
	progress_stop

	# The unpacked tree is about 1.8 GB; the number only affects the progress line.
	say "kernel tree: unpacking"
	progress_start "kernel tree: unpacking" 1900000 downloaded
	dpkg-deb --fsys-tarfile "$new"/*.deb |
		tar -xO "./usr/src/$2.tar.xz" |
		tar -xJ -C "$new" || die "unpacking $2 failed: see above; free space: $(df -Pk "$new" | awk 'NR == 2 { print int($4 / 1024) }') MiB"
	progress_stop
	[ -f "$new/$2/Makefile" ] || die "$2 does not hold the tree that it should: set KERNEL_SRC=/path/to/a/linux-tree"
	tree=$(tree_of "$3")
	sync -f "$new"
	rm -rf "${sources:?}/$tree"
	mv "$new/$2" "$sources/$tree"
	rm -rf "$new"
	took source $(($(date +%s) - start))
	say "kernel tree: $2 $3 from $1 is in $sources/$tree"
}

downloaded()
{
	du -sk "$new" | cut -f 1
}

sources=$CACHE/sources

if [ "${1:-}" = --of ]; then
	series=${2:?} version=${3:?} only_suite=${4:-}
	tree=$sources/$(tree_of "$version")
	check_cache
	# It gets its name when it is complete.
	if is_tree "$tree"; then
		echo "$tree"
		exit
	fi
	make_cache
	need_space "$sources" 2300 "a kernel tree"
	check_mirror "${only_suite:-${SUITES%% *}}" "linux-source-$series from"
	mkdir -p "$sources"
	lock "$sources/lock" "kernel tree"
	if ! is_tree "$tree"; then
		where=
		for suite in ${only_suite:-$SUITES}; do
			debian_has_suite "$suite" "" || continue
			debian_versions "linux-source-$series" | grep -qxF "$version" || continue
			where=$suite
			break
		done
		[ -n "$where" ] ||
			die "the headers are of version $version, and no suite of ${only_suite:-$SUITES} has linux-source-$series of it (any more): upgrade kernel and headers, or install that source package"
		get_tree "$where" "linux-source-$series" "$version"
		tree=$sources/$tree
	fi
	echo "$tree"
	exit
fi

if [ -n "${KERNEL_SRC:-}" ]; then
	src=$(cd -- "$KERNEL_SRC" 2>/dev/null && pwd -P) || die "KERNEL_SRC=$KERNEL_SRC: no such directory"
	is_tree "$src" ||
		die "KERNEL_SRC=$KERNEL_SRC is not a linux source tree with Rust: name the top directory of one"
	version=$(tree_version "$src")
	version_ok "$version" "$MIN_KERNEL" ||
		die "KERNEL_SRC=$KERNEL_SRC is linux $version: $MIN_KERNEL or newer is needed"
	if ! plain_path "$src" || [ -e "$src/.config" ] || [ -e "$src/include/config" ] || [ -e "$src/arch/x86/include/generated" ]; then
		clean_copy "${1:-}"
	fi
	echo "$src"
	exit
fi

check_cache

# The link is made once the tree is complete.
if [ -f "$sources/default/Makefile" ]; then
	(cd "$sources/default" && pwd -P)
	exit
fi

need_writable
need_space "$sources" 4100 "a kernel tree with a kernel built from it"
check_mirror "${SUITES%% *}" "linux-source from; or set KERNEL_SRC=/path/to/a/linux-tree ($MIN_KERNEL or newer)"
[ -z "${1:-}" ] || exit 0
make_cache
mkdir -p "$sources"
lock "$sources/lock" "kernel tree"
if [ -f "$sources/default/Makefile" ]; then
	(cd "$sources/default" && pwd -P)
	exit
fi

# Lists "RANK SUITE PACKAGE VERSION" of all candidates. The tested series ranks first, then
# the nearest newer ones, then the older one that still works.
found=
for suite in $SUITES; do
	say "kernel tree: looking for linux-source-$TESTED in $suite"
	debian_has_suite "$suite" ", or set KERNEL_SRC=/path/to/a/linux-tree" || continue
	version=$(debian_version "linux-source-$TESTED")
	case $version in
	*~rc*) version= ;;
	esac
	if [ -n "$version" ]; then
		found="$suite linux-source-$TESTED $version"
		break
	fi
done

if [ -z "$found" ]; then
	for suite in $SUITES; do
		APT=$CACHE/apt/$suite
		for package in $(debian_packages linux-source-); do
			series=${package#linux-source-}
			version=$(debian_version "$package")
			case $series:$version in
			*[!0-9.]*:* | *: | *~rc*) continue ;;
			esac
			if version_ok "$series" "$TESTED"; then
				echo "0 $series $suite $package $version"
			elif version_ok "$series" "$MIN_KERNEL"; then
				echo "1 $series $suite $package $version"
			fi
		done
	done >"$sources/candidates"
	found=$(sort -s -k 1,1n -k 2,2V "$sources/candidates" | sed -n '1s/^[^ ]* [^ ]* //p')
	rm -f "$sources/candidates"
fi

[ -n "$found" ] ||
	die "the mirror has no linux-source of $MIN_KERNEL or newer in $SUITES: set KERNEL_SRC=/path/to/a/linux-tree"

# shellcheck disable=SC2086 # three words
set -- $found
get_tree "$@"
ln -sfn "$tree" "$sources/default"
echo "$sources/$tree"
