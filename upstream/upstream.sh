#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: upstream.sh [BUG]
#
# For each kernel bug in upstream/, or for BUG: shows that it happens on the kernel "fast",
# and does not happen on a kernel with all patches of upstream/. Prints KTAP.
#
# upstream/BUG/guest.sh runs in the guest and exits with 0 if the bug happens, with 1 if
# not. Its header may have
#	# upstream-splat: REGEX	the complaint of the kernel if the bug happens
#	# upstream-smp: CPUS	the number of CPUs, if it needs more than two
# modprobe finds the modules of upstream/BUG/Kbuild, and each other .c file is a program.
# A line "No reproducer: REASON" or "No patch: REASON" in upstream/BUG/report.md skips that
# half.

. "$(dirname "$0")/../scripts/lib.sh"

cd "$TOP" || exit 1
bugs=${1:-$(cd upstream && printf '%s\n' */report.md | sed 's,/.*,,')}
total=0
for bug in $bugs; do
	[ -f "upstream/$bug/report.md" ] || die "there is no upstream/$bug/report.md: choose one of $(cd upstream && echo */ | tr -d /)"
	total=$((total + 2))
done

number=0 passed=0 failed=0 skipped=0
# result OK NAME [SKIPPED]
result()
{
	number=$((number + 1))
	case $1$3 in
	ok?*) skipped=$((skipped + 1)) ;;
	ok) passed=$((passed + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
	echo "$1 $number $2${3:+ # SKIP $3}"
}

# reason BUG WHAT: the reason in the report for a missing reproducer or patch.
reason()
{
	sed -n "s/^No $2: //p" "upstream/$1/report.md"
}

# header BUG KEY: the value in the header of guest.sh.
header()
{
	sed -n "s/^# upstream-$2: *//p" "upstream/$1/guest.sh"
}

# boot BUG KERNEL STATUS: whether guest.sh exits with STATUS, and nothing else is wrong.
boot()
{
	bug=$1 kernel=$2 status=$3
	dir=build/upstream/$bug
	mkdir -p "$dir"
	{
		echo '#!/bin/sh'
		[ "$status" != 0 ] || header "$bug" splat | sed 's/^/# ksft-expect-splat: /'
		echo '('
		cat "upstream/$bug/guest.sh"
		echo ')'
		echo "[ \$? -eq $status ]"
	} >"$dir/script.sh"
	set --
	for file in "upstream/$bug"/*.c; do
		object=$(basename "$file" .c).o
		if [ -f "$file" ] && ! grep -qw "$object" "upstream/$bug/Kbuild" 2>/dev/null; then
			set -- "$@" --program "$file"
		fi
	done
	cpus=$(header "$bug" smp)
	say "upstream: $bug, on $kernel"
	attached qemu/vm.py --kernel "$kernel" --module build/upstream/modules ${cpus:+--smp "$cpus"} --limit 180 \
		--script "$dir/script.sh" "$@" >"$dir/$kernel.log" 2>&1 && return
	sed 's/^/# /' "$dir/$kernel.log"
	return 1
}

# on KERNEL STATUS WORDS: prints one result for each bug.
on()
{
	attached scripts/build-module.sh "$1" upstream "build/upstream/modules/build/$1" || exit 1
	for bug in $bugs; do
		skip=$(reason "$bug" reproducer)
		[ "$2" = 0 ] || skip=${skip:-$(reason "$bug" patch)}
		ok=ok
		[ -n "$skip" ] || boot "$bug" "$1" "$2" || ok='not ok'
		result "$ok" "$bug: $3" "$skip"
	done
}

# First of all, as the patches may not apply.
src=$(scripts/kernel-source.sh) || exit 1
src=$(cd "$src" && pwd -P) || exit 1
make_cache
place=$CACHE/patched/$({
	echo "$src"
	cat upstream/*/*.patch
} | hash_of)
need_space "$CACHE" 500 "a tree with patches"
mkdir -p "$place" || exit 1
lock "$place/lock" "the patched tree"
# The user's own tree may have changed.
if [ -f "$place/whole" ] && [ -n "${KERNEL_SRC:-}" ]; then
	[ -z "$(find "$src" -name .git -prune -o -cnewer "$place/whole" -print | head -n 1)" ] || rm "$place/whole"
fi
if [ ! -f "$place/whole" ]; then
	upstream/patched-tree.sh "$src" "$place/tree" || exit 1
	# For "make cache": the tree is needed for as long as this is.
	ln -sfn "$src" "$place/source"
	: >"$place/whole"
fi
touch "$place/used"

echo 'KTAP version 1'
echo "1..$total"
on fast 0 'happens without the patch'
# A kernel with another name, so that "fast" does not change.
patched=$(CONFIG='CONFIG_LOCALVERSION="-patched"' scripts/kernel-options.sh --name fast) || exit 1
KERNEL_SRC=$place/tree attached scripts/build-kernel.sh "$patched" || exit 1
on "$patched" 1 'does not happen with it'
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
