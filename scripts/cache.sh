#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: cache.sh [DAYS|all|NAME]
#
# Lists what can be removed from the cache, with its size and when it was last used.
# Removes what was not used for so many days, or all, or what has that NAME in the
# list; but nothing that a build is at work on. What is needed is made again.

. "$(dirname "$0")/lib.sh"

prune=${1:-}
[ -d "$CACHE" ] || die "there is no cache yet: $CACHE"
cd "$CACHE" || exit 1
now=$(date +%s)

# used DIR: when, in seconds.
used()
{
	stat -c %Y "$1/used" "$1/built" "$1/whole" "$1/origin" 2>/dev/null | head -n 1 | grep . || stat -c %Z "$1"
}

# what DIR: what it is, for whom.
what()
{
	case $1 in
	kernels/*) [ -f "$1/built" ] && echo "a kernel" || echo "a kernel that is not finished" ;;
	trees/*) echo "a clean copy of $(cat "$1/whole" "$1/origin" 2>/dev/null | head -n 1)" ;;
	copies/*) echo "a copy of $(cat "$1/origin" 2>/dev/null)" ;;
	sources/*) echo "a kernel tree of the distribution" ;;
	distro/*) echo "a bare Debian, from make test-distro" ;;
	esac
}

# needed TREE: whether a kernel that is there was built from it, or the next one will be.
# The files in a tree are as old as its release, so they do not tell.
needed()
{
	[ "sources/$(readlink sources/default)" != "$1" ] || return 0
	for _source in kernels/*/source; do
		case $(readlink "$_source")/ in
		"$CACHE/$1"/*) return 0 ;;
		esac
	done
	return 1
}

# wanted NAME DAYS: whether it is to go.
wanted()
{
	case $prune in
	all) return 0 ;;
	*[!0-9]*)
		[ "$prune" = "$1" ]
		return
		;;
	esac
	case $1 in
	sources/* | trees/*) ! needed "$1" && [ "$2" -ge "$prune" ] ;;
	*) [ "$2" -ge "$prune" ] ;;
	esac
}

# removed DIR: fails if a build has its lock. What stands for the whole goes first.
removed()
{
	case $1 in
	kernels/*) _lock=$1.lock ;;
	sources/*) _lock=sources/lock ;;
	*) _lock=$1/lock ;;
	esac
	(: >>"$_lock") 2>/dev/null || die "the cache $CACHE belongs to somebody else: it is not for $(id -un) to prune"
	exec 8>>"$_lock"
	try_lock 8 "$_lock" || return 1
	[ ! -d "$1/root" ] || [ -w "$1/root" ] || die "$CACHE/$1 is root's: run: sudo rm -rf $CACHE/$1"
	[ "${1%%/*}" != sources ] || rm -f sources/default
	rm -f "$1/built" "$1/whole"
	rm -rf "$1" || die "$CACHE/$1 cannot be removed"
	exec 8>&-
}

case $prune in
'' | all) ;;
0 | 0[0-9]*) die "PRUNE=$prune: say a number of days, 'all', or a name that 'make cache' lists" ;;
esac

found=
for dir in kernels/* copies/* trees/* sources/linux-* distro/*; do
	[ -d "$dir" ] || continue
	days=$(((now - $(used "$dir")) / 86400))
	size=$(du -sm "$dir" | cut -f 1)
	if [ -z "$prune" ]; then
		printf '%6s MiB, %3s days: %s (%s)\n' "$size" "$days" "$dir" "$(what "$dir")"
	elif wanted "$dir" "$days"; then
		found=yes
		description=$(what "$dir")
		if removed "$dir"; then
			echo "removed $dir ($description, $size MiB)"
		else
			echo "kept $dir: a build is at work on it"
		fi
	fi
done
if [ -z "$prune" ]; then
	echo "$(du -sm . | cut -f 1) MiB in all, in $CACHE"
	echo "make cache PRUNE=DAYS removes what was not used for so long, PRUNE=all everything, PRUNE=NAME one of these"
elif [ -z "$found" ]; then
	case $prune in
	*[!0-9]*) die "PRUNE=$prune: there is no such thing in the cache; 'make cache' lists what there is" ;;
	esac
	echo "nothing was unused for $prune days"
fi
