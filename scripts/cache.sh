#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: cache.sh [DAYS|all|NAME]
#
# Without an argument, lists the entries of the cache with their sizes and the days since
# their last use. Otherwise removes the entries that were not used for DAYS days, or all,
# or the one called NAME. Keeps entries that are in use and the trees of kernels that stay,
# and removes a whole Debian only by its name. Removed entries are made again when needed.

. "$(dirname "$0")/lib.sh"

prune=${1:-}
[ -d "$CACHE" ] || die "there is no cache yet: $CACHE"
cd "$CACHE" || exit 1
# The links in the cache use the real path.
real=$(pwd -P)
now=$(date +%s)

# ours DIR: whether the lab made it. Other files, and links to elsewhere, belong to the user.
ours()
{
	[ -d "$1" ] && [ ! -L "$1" ] && [ ! -L "${1%%/*}" ] || return 1
	_hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
	_hash=$_hex$_hex$_hex
	# shellcheck disable=SC2254 # a pattern
	case $1 in
	kernels/*-$_hash | metadata/*-$_hash | toolbox/$_hash | toolbox/herd | packaged/* | kunit/$_hash | patched/$_hash | copies/$_hash | trees/$_hash | sources/linux-* | distro/bookworm | distro/trixie) ;;
	*) return 1 ;;
	esac
}

# used DIR: the time of its last use, in seconds.
used()
{
	stat -c %Y "$1/used" "$1/built" "$1/whole" "$1/origin" "$1/commit" 2>/dev/null | head -n 1 | grep . || stat -c %Z "$1"
}

# what DIR: describes it.
what()
{
	case $1 in
	kernels/*) [ -f "$1/built" ] && echo "a kernel" || echo "an unfinished kernel" ;;
	metadata/*) echo "the metadata that modules for ${1#metadata/} need" ;;
	toolbox/herd) echo "herd7, for make proofs" ;;
	toolbox/cargo) echo "crates, for make model" ;;
	toolbox/*) echo "the compilers of a packaged kernel" ;;
	kunit/*) echo "the kernel of make kunit" ;;
	patched/*) echo "the tree of make upstream" ;;
	packaged/*) echo "a kernel of Debian, $(cat "$1/whole" 2>/dev/null)" ;;
	trees/*) echo "a clean copy of $(cat "$1/whole" "$1/origin" 2>/dev/null | head -n 1)" ;;
	copies/*) echo "a copy of $(cat "$1/origin" 2>/dev/null)" ;;
	sources/*) echo "a kernel tree of the distribution" ;;
	distro/*) echo "a bare Debian, from make test-distro; removed only by name" ;;
	esac
}

# is_default TREE: whether the next kernel will be built from it.
is_default()
{
	[ -L sources/default ] && [ "$(readlink -m sources/default)" = "$real/$1" ]
}

# user_of TREE: prints which kernel was built from it, and fails if none was.
user_of()
{
	for _source in kernels/*/source metadata/*/source kunit/*/source patched/*/source; do
		case $(readlink -m "$_source")/ in
		"$real/$1"/*)
			[ -L "$_source" ] || continue
			echo "${_source%/source}"
			return
			;;
		esac
	done
	return 1
}

# wanted NAME DAYS: whether to remove it.
wanted()
{
	[ "$prune" != "$1" ] || return 0
	case $1:$prune in
	distro/*) return 1 ;;
	*:all) return 0 ;;
	*:*[!0-9]*) return 1 ;;
	esac
	! is_default "$1" && [ "$2" -ge "$prune" ]
}

kept()
{
	kept=yes
	echo "kept $1: $2"
}

# remove DIR: removes it unless it is in use. The mark of a complete entry goes first.
remove()
{
	case $1 in
	kernels/*) _lock=$1.lock ;;
	packaged/*) _lock=packaged/lock ;;
	sources/*) _lock=sources/lock ;;
	*) _lock=$1/lock ;;
	esac
	if [ -L "$_lock" ] || ! (: >>"$_lock") 2>/dev/null; then
		die "the cache $CACHE belongs to somebody else: it is not for $(id -un) to prune"
	fi
	exec 8>>"$_lock"
	if ! try_lock 8 "$_lock"; then
		kept "$1" "a run is using it"
		return
	fi
	case $1 in
	kernels/* | metadata/*)
		exec 7<"$1"
		if ! try_lock 7 "$1"; then
			kept "$1" "a guest runs from it"
			return
		fi
		;;
	sources/* | trees/* | patched/*)
		if _user=$(user_of "$1"); then
			kept "$1" "$_user was built from it, and needs it"
			return
		fi
		;;
	distro/*)
		# Check the mounts of all namespaces.
		if cat /proc/[0-9]*/mountinfo 2>/dev/null | cut -d ' ' -f 5 | grep -q "^$real/$1/"; then
			kept "$1" "something is mounted in it"
			return
		fi
		if [ "$(id -u)" -ne 0 ] && [ -n "$(find "$1" ! -user "$(id -u)" -print -quit 2>/dev/null)" ]; then
			kept "$1" "it belongs to root: sudo rm -rf --one-file-system '$real/$1'"
			return
		fi
		;;
	esac
	_what=$(what "$1")
	! is_default "$1" || rm -f sources/default
	rm -f "$1/built" "$1/whole"
	rm -rf --one-file-system "$1" || die "$CACHE/$1 could not be removed"
	exec 7<&- 8>&-
	echo "removed $1 ($_what, $size MiB)"
}

case $prune in
'' | all) ;;
*/*) ours "$prune" || die "PRUNE=$prune: there is no such entry in the cache; 'make cache' lists them" ;;
0* | *[!0-9]* | ??????*) die "PRUNE=$prune: give a number of days, 'all', or a name that 'make cache' lists" ;;
esac

found=
kept=
for dir in kernels/* metadata/* packaged/* kunit/* patched/* toolbox/* copies/* trees/* sources/linux-* distro/*; do
	ours "$dir" || continue
	days=$(((now - $(used "$dir")) / 86400))
	if [ -n "$prune" ] && ! wanted "$dir" "$days"; then
		continue
	fi
	size=$(du -sm "$dir" 2>/dev/null | cut -f 1)
	if [ -z "$prune" ]; then
		printf '%6s MiB, %3s days: %s (%s)\n' "$size" "$days" "$dir" "$(what "$dir")"
	else
		found=yes
		remove "$dir"
	fi
done
if [ -z "$prune" ]; then
	echo "$(du -sm . 2>/dev/null | cut -f 1) MiB in all, in $CACHE"
	echo "make cache PRUNE=DAYS removes what was not used for DAYS days, PRUNE=all everything, PRUNE=NAME one entry"
elif [ -z "$found" ]; then
	case $prune in
	all) echo "there is nothing in the cache to remove" ;;
	*) echo "nothing was unused for $prune days" ;;
	esac
fi
# Fail if the named entry is still there.
case $prune:$kept in
*/*:yes) exit 1 ;;
esac
