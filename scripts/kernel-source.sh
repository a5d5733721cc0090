#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: kernel-source.sh [--check]
#
# Prints the path of the kernel tree to build. KERNEL_SRC names one; without it
# the tree is the distribution's linux-source package, fetched and unpacked into
# the cache when it is not there yet. With --check it prints nothing where that
# would have to be fetched, and only tells whether it could.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

need_x86_64
TESTED=7.3
SUITES="trixie-backports forky sid experimental"

tree_version()
{
	awk -F ' *= *' '/^VERSION/ { v = $2 } /^PATCHLEVEL/ { p = $2 } /^NAME/ { exit } END { print v "." p }' "$1/Makefile" 2>/dev/null
}

is_tree()
{
	[ -f "$1/Kconfig" ] && [ -f "$1/Kbuild" ] && [ -d "$1/rust/kernel" ]
}

# clean_copy [--check]: sets src to a copy of it in the cache, without what was built in it.
# A tree that was built in place rules out a build elsewhere, and its owner may need it.
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
	say "kernel tree: $KERNEL_SRC was built in place or has a path that kbuild cannot take: copying it, without what was built, to $copy/tree"
	rm -f "$copy/whole"
	# What changes from now on is for the next copy.
	printf '%s\n' "$src" >"$copy/origin"
	progress_start "kernel tree: copying" 0 nothing
	if ! rsync -a --delete --exclude=/.git --exclude='*.o' --exclude='*.ko' --exclude='*.a' --exclude='.*.cmd' \
		--exclude=/vmlinux "$src/" "$copy/tree" >"$copy/log" 2>&1 ||
		! build make -C "$copy/tree" mrproper >>"$copy/log" 2>&1; then
		die "KERNEL_SRC=$KERNEL_SRC cannot be copied; the log: $copy/log"
	fi
	progress_stop
	mv "$copy/origin" "$copy/whole"
}

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
sources=$CACHE/sources

# The link is made once the tree is whole, so what it names can be trusted.
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

# Lists "RANK SUITE PACKAGE VERSION" of all that would do. The tested series
# ranks first, then the nearest newer ones, then the older one that still works.
found=
for suite in $SUITES; do
	say "kernel tree: looking for linux-source-$TESTED in $suite"
	if ! debian_suite "$suite"; then
		# A mirror need not carry every suite; any other failure hits them all.
		grep -q ' 404 ' "$APT/log" && continue
		die "could not fetch the package index of $suite: $(debian_error): check the network, or set KERNEL_SRC=/path/to/a/linux-tree"
	fi
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
suite=$1 package=$2 version=$3
APT=$CACHE/apt/$suite
size=$(debian_size "$package")

# Whatever an interrupted run left is of no use to this one.
rm -rf "$sources"/new.*
new=$(new_directory "$sources/new")
start=$(date +%s)

downloaded()
{
	du -sk "$new" | cut -f 1
}

say "kernel tree: downloading $package $version from $suite ($((size / 1024)) MiB)"
progress_start "kernel tree: downloading" "$size" downloaded
debian_download "$package" "$new" ||
	die "the download of $package failed: $(debian_error) (all of it: $APT/log)"
progress_stop

# The unpacked tree is about 1.8 GB; only the estimate depends on this.
say "kernel tree: unpacking"
progress_start "kernel tree: unpacking" 1900000 downloaded
dpkg-deb --fsys-tarfile "$new"/*.deb |
	tar -xO "./usr/src/$package.tar.xz" |
	tar -xJ -C "$new" || die "unpacking $package failed: see above; free space: $(df -Pk "$new" | awk 'NR == 2 { print int($4 / 1024) }') MiB"
progress_stop
[ -f "$new/$package/Makefile" ] || die "$package does not hold the tree that it should: set KERNEL_SRC=/path/to/a/linux-tree"

# Kbuild is used with this path in many unquoted places, so keep it plain.
tree=linux-$(printf '%s\n' "$version" | tr -c 'A-Za-z0-9.\n' -)
rm -rf "${sources:?}/$tree"
mv "$new/$package" "$sources/$tree"
sync -f "$sources/$tree"
ln -sfn "$tree" "$sources/default"
rm -rf "$new"
took source $(($(date +%s) - start))
say "kernel tree: $package $version from $suite is in $sources/$tree"
echo "$sources/$tree"
