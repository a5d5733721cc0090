#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: "make cache" shows and removes unused entries that the lab made, and
# nothing else. The cache is a fake.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
mounted=
# shellcheck disable=SC2317 # The trap calls it.
clean_up()
{
	[ -z "$mounted" ] || umount "$mounted"
	chmod -R u+w "$work"
	rm -rf "$work"
}
trap clean_up EXIT
cache=$work/real/rust-kthread-demo
old=$(($(date +%s) - 40 * 86400))

# made DIR [FILE...]: an entry of the cache that was not used for 40 days.
made()
{
	mkdir -p "$cache/$1/d"
	echo content >"$cache/$1/d/f"
	for _file in used built; do
		echo 1 >"$cache/$1/$_file"
		touch -d "@$old" "$cache/$1/$_file"
	done
}

one=kernels/fast-0123456789ab
two=kernels/fast+01234567-0123456789ab
new=kernels/fast-ba9876543210
source=sources/linux-7.3.4-1
older=sources/linux-7.2.1-1
oldest=sources/linux-7.2.0-1
tree=trees/00112233aabb
copy=copies/00112233aabb
debian=distro/bookworm

fresh()
{
	rm -rf "$cache"
	for _dir in $one $two $new $source $older $oldest $tree $copy $debian; do
		made "$_dir"
	done
	touch "$cache/$new/used"
	ln -s ${source#*/} "$cache/sources/default"
	ln -s "$cache/$older" "$cache/$new/source"
	ln -s "$cache/$tree/tree" "$cache/$two/source"
}

# prune ARGUMENT...: runs it with the cache behind a link, as many users have it.
prune()
{
	XDG_CACHE_HOME=$work/link make -s -C "$top" cache "$@" >"$work/log" 2>&1
	status=$?
}

# left NAME DIR...: exactly these are left.
left()
{
	_name=$1
	shift
	ktap_eq "$_name" "$(printf '%s\n' "$@" | sort)" "$(cd "$cache" && find . -name f -printf '%P\n' | sed 's|/d/f$||' | sort)" ||
		ktap_diag "$(cat "$work/log")"
}

ln -s real "$work/link"
ktap_plan 36

fresh
prune
left 'a list removes nothing' $one $two $new $source $older $oldest $tree $copy $debian
missing=
for dir in $one $two $new $source $older $oldest $tree $copy $debian; do
	grep -q " days: $dir (" "$work/log" || missing="$missing $dir"
done
ktap_eq 'it has everything' '' "$missing"

prune PRUNE=41
left 'what is used more often stays' $one $two $new $source $older $oldest $tree $copy $debian
ktap_match 'which is said' 'nothing was unused for 41 days' "$(cat "$work/log")"
prune PRUNE=40
left 'a tree stays that a kernel or the next one needs, and so does a Debian' $new $source $older $debian
ktap_eq 'the tree is found as before' "$cache/$source" "$(readlink -f "$cache/sources/default")"
prune PRUNE=40
left 'as it does later' $new $source $older $debian

fresh
prune "PRUNE=$oldest"
left 'one by its name' $one $two $new $source $older $tree $copy $debian
ktap_eq 'the default is another, and stays' ${source#*/} "$(readlink "$cache/sources/default")"
for dir in $older $tree; do
	prune "PRUNE=$dir"
	ktap_match "$dir: a kernel needs it" '2 kept *: kernels/* was built from it*' "$status $(cat "$work/log")"
done
left 'it stays' $one $two $new $source $older $tree $copy $debian

# A tree of links, which a kernel needs, and which needs another tree.
fresh
patched=patched/00112233aabb
mkdir -p "$cache/$patched/tree"
ln -sfn "$cache/$patched/tree" "$cache/$two/source"
ln -s "$cache/$oldest" "$cache/$patched/source"
prune "PRUNE=$patched"
ktap_match 'a tree with patches: its kernel needs it' "2 kept $patched: $two was built from it*" "$status $(cat "$work/log")"
prune "PRUNE=$oldest"
ktap_match 'and it needs the tree that it links to' "2 kept $oldest: $patched was built from it*" "$status $(cat "$work/log")"
for dir in $two $patched $oldest; do
	prune "PRUNE=$dir"
	[ $status -eq 0 ] || ktap_diag "$(cat "$work/log")"
done
ktap_ok_if 'one after the other they go' [ ! -e "$cache/$patched" -a ! -e "$cache/$oldest" ]

# In use.
fresh
: >"$cache/$one.lock"
: >"$cache/$copy/lock"
: >"$cache/sources/lock"
# shellcheck disable=SC2016 # the inner shell expands it
XDG_CACHE_HOME=$work/link flock "$cache/$one.lock" flock "$cache/$copy/lock" flock "$cache/sources/lock" \
	make -s -C "$top" cache PRUNE=all >"$work/log" 2>&1
left 'what is locked stays' $one $copy $source $older $oldest $debian
ktap_eq 'and is named' 5 "$(grep -c '^kept .*: a run is using it$' "$work/log")"
XDG_CACHE_HOME=$work/link flock "$cache/$one.lock" make -s -C "$top" cache "PRUNE=$one" >"$work/log" 2>&1
ktap_match 'one by its name, too' "2 kept $one: a run is using it*" "$? $(cat "$work/log")"
# A run has a guest with this kernel.
mkdir -p "$cache/$one/include/config" "$work/lab/build/fast"
: >"$cache/$one/vmlinux"
echo 7.3.4 >"$cache/$one/include/config/kernel.release"
echo CONFIG_HZ=250 >"$cache/$one/.config"
ln -s "$cache/$one" "$work/lab/build/fast/kernel"
XDG_CACHE_HOME=$work/link PYTHONPATH=$top python3 -c '
import subprocess, sys
from qemu import lab
lab.ROOT = sys.argv[1]
kernel = lab.Kernel("fast")
sys.exit(subprocess.run(sys.argv[2:]).returncode)' "$work/lab" make -s -C "$top" cache "PRUNE=$one" >"$work/log" 2>&1
ktap_match 'a kernel that a guest runs from stays' "2 kept $one: a guest runs from it*" "$? $(cat "$work/log")"
ln -s "$cache/$oldest" "$cache/$one/source"
XDG_CACHE_HOME=$work/link flock "$cache/$one.lock" make -s -C "$top" cache PRUNE=all >"$work/log" 2>&1
left 'the tree of a kernel that is being built stays' $one $oldest $debian
prune PRUNE=all
left 'all is all but a Debian' $debian
ktap_ok_if 'and the default is gone' [ ! -L "$cache/sources/default" ]

# A Debian.
: >"$cache/$debian/lock"
XDG_CACHE_HOME=$work/link flock "$cache/$debian/lock" make -s -C "$top" cache "PRUNE=$debian" >"$work/log" 2>&1
ktap_match 'a Debian that a run is in stays' "2 kept $debian: a run is using it*" "$? $(cat "$work/log")"
mkdir "$cache/$debian/root"
if mount -t tmpfs tmpfs "$cache/$debian/root" 2>/dev/null; then
	mounted=$cache/$debian/root
	prune "PRUNE=$debian"
	umount "$mounted" && mounted=
	ktap_match 'one that is mounted stays' "2 kept $debian: something is mounted in it*" "$status $(cat "$work/log")"
else
	ktap_skip 'one that is mounted stays' 'nothing can be mounted here'
fi
left 'it is there' $debian
prune "PRUNE=$debian"
left 'by its name it goes'

# Files that are not the lab's.
fresh
mkdir -p "$work/outside/d"
for file in d/f built whole used; do
	echo mine >"$work/outside/$file"
	touch -d "@$old" "$work/outside/$file"
done
for dir in kernels/fast-aaaaaaaaaaaa copies/aaaaaaaaaaaa trees/aaaaaaaaaaaa sources/linux-7.9 distro/trixie; do
	ln -s "$work/outside" "$cache/$dir"
done
ln -s "$work/outside" "$cache/$one/d/link"
mkdir -p "$cache/kernels/mine" "$cache/sources/mine" "$cache/distro/mine" "$cache/trees/mine" "$cache/other"
prune
ktap_eq 'links and the files of others are not listed' '' "$(grep -E 'aaaa|7\.9|trixie|mine|other' "$work/log")"
prune PRUNE=all
prune PRUNE=1
ktap_eq 'nor followed' 4 "$(find "$work/outside" -type f | grep -c .)"
ktap_eq 'nor removed' 10 "$(find "$cache" -maxdepth 2 \( -type l ! -name default -o -name mine -o -name other \) -print | grep -c .)"
for name in ../outside kernels/../../../outside /etc "$work/outside" kernels/fast-aaaaaaaaaaaa kernels kernels/ sources/default 0 030 -1 \
	1e3 999999999999999999999 '*' 'kernels/*'; do
	prune "PRUNE=$name"
	case "$status $(grep -v '^make' "$work/log" | grep -c .) $(cat "$work/log")" in
	'2 1 cache.sh: PRUNE='*) ;;
	*)
		ktap_diag "$name: $status $(cat "$work/log")"
		wrong=yes
		;;
	esac
done
ktap_eq 'what is no name is refused in a line' '' "${wrong:-}"

mv "$cache/copies" "$work/elsewhere"
mkdir -p "$work/elsewhere/00112233aabb/d"
echo mine >"$work/elsewhere/00112233aabb/d/f"
ln -s "$work/elsewhere" "$cache/copies"
prune PRUNE=all
ktap_ok_if 'a folder that is elsewhere is left alone' [ -f "$work/elsewhere/00112233aabb/d/f" ]

fresh
made toolbox/herd
prune PRUNE=toolbox/herd
left 'the herd7 of make proofs goes by its name' $one $two $new $source $older $oldest $tree $copy $debian
ktap_match 'which is told' '0 removed toolbox/herd (herd7, for make proofs*' "$status $(cat "$work/log")"

prune PRUEN=30
ktap_match 'an option that is none is refused' '2 make cache: there is no option PRUEN*' "$status $(cat "$work/log")"
rm -rf "$cache"
prune
ktap_match 'no cache at all' '2 cache.sh: there is no cache yet*' "$status $(cat "$work/log")"
fresh
: >"$cache/$one.lock"
chmod 444 "$cache/$one.lock"
chmod 555 "$cache" "$cache/kernels"
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$work" "$work/real"
	chmod -R a+rX "$work/real"
	# The checkout may be in root's home, which other users have no access to.
	cp -R "$top/scripts" "$work/scripts"
	mkdir "$work/qemu"
	cp "$top/qemu/project.conf" "$work/qemu"
	chmod -R a+rX "$work/scripts" "$work/qemu"
	setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/ XDG_CACHE_HOME="$work/link" \
		"$work/scripts/cache.sh" all >"$work/log" 2>&1
else
	prune PRUNE=all
fi
ktap_match "a cache of somebody else's" '*belongs to somebody else*' "$(cat "$work/log")"
chmod 755 "$cache" "$cache/kernels"
ktap_finished
