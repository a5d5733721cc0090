#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: build-module.sh NAME|KDIR SRCDIR OUTDIR [TARGET]
#
# Builds the external module in SRCDIR against the kernel build/NAME/kernel, or
# against KDIR (told by its slash), with all that is made in OUTDIR. For a kernel
# NAME the modules have line tables, and OUTDIR/stripped holds them without. With the
# TARGET coverage they tell which of their code runs.

. "$(dirname "$0")/lib.sh"

unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ARCH CROSS_COMPILE \
	KBUILD_OUTPUT KBUILD_EXTMOD KBUILD_EXTMOD_OUTPUT

[ $# -ge 3 ] || die "usage: build-module.sh NAME|KDIR SRCDIR OUTDIR [TARGET]"
lab=
case $1 in
*/*) kdir=$1 ;;
*)
	kdir=$TOP/build/$1/kernel
	# What the lab builds it also tests.
	lab=KTHREAD_TESTS=1
	;;
esac
kdir=$(cd "$kdir" 2>/dev/null && pwd -P) || die "$1: there is no such kernel build: scripts/build-kernel.sh makes build/NAME/kernel"
src=$(cd "$2" && pwd -P) || exit 1
mkdir -p "$3" || exit 1
out=$(cd "$3" && pwd -P)
target=${4:-modules}
log=$out.log

# Modules want the tools that their kernel was built with.
tools=$("$TOP/scripts/toolchain.sh" "$kdir") || exit 1

# With these, stack traces get file and line on a kernel without debug
# information, too, at least where they lead through the modules.
if [ -n "$lab" ] && ! grep -qx 'CONFIG_DEBUG_INFO=y' "$kdir/include/config/auto.conf"; then
	lab="$lab KCFLAGS=-g1 KRUSTFLAGS=-Cdebuginfo=line-tables-only"
fi

# Each block of code tells that it runs, to qemu/coverage/lab_coverage.c.
symbols=
if [ "$target" = coverage ]; then
	target=modules
	symbols=$TOP/build/$1/coverage/Module.symvers
	blocks="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3"
	blocks="$blocks -Cllvm-args=-sanitizer-coverage-trace-pc -Cllvm-args=-sanitizer-coverage-prune-blocks=0"
fi

# The stamp tells what went in, so that nothing is built twice.
inputs=$({
	echo "$kdir $target $lab ${CLIPPY:-} $symbols"
	cat "$kdir/built" "$kdir/Module.symvers" 2>/dev/null
	cd "$src" && find . \( -name .git -o -name build \) -prune -o \
		\( -name '*.rs' -o -name '*.[chS]' -o -name Kbuild -o -name Makefile \) -type f -print0 |
		LC_ALL=C sort -z | xargs -0 sha256sum
} | hash_of)
if [ "$target" = modules ] && [ "$(cat "$out/.inputs" 2>/dev/null)" = "$inputs" ]; then
	exit
fi
rm -f "$out/.inputs"

# kbuild takes no path with blanks: build from a copy in the cache then.
work=$src
result=$out
case $src$out in
*[[:space:]:%]*)
	make_cache
	copy=$CACHE/copies/$(printf '%s\n' "$src" "$out" | hash_of)
	rm -rf "$copy"
	mkdir -p "$copy/src" "$copy/out"
	tar -C "$src" --exclude=./build --exclude=./.git -cf - . | tar -C "$copy/src" -xf - || exit 1
	work=$copy/src
	result=$copy/out
	;;
esac

# shellcheck disable=SC2086 # $tools and $lab hold words NAME=VALUE, none with blanks in it
if ! make -C "$kdir" M="$work" MO="$result" V="${V:-0}" -j"$(nproc)" $tools \
	$lab ${CLIPPY:+CLIPPY=$CLIPPY} ${symbols:+"KBUILD_EXTRA_SYMBOLS=$symbols"} \
	${symbols:+"RUSTFLAGS_MODULE=$blocks"} ${symbols:+CFLAGS_MODULE=-fsanitize-coverage=trace-pc} "$target" </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	die "the module in $src could not be built; the log: $log"
fi
if [ "$result" != "$out" ]; then
	cp -pR "$result"/. "$out" || die "nothing came out of $src; the log: $log"
fi
if [ -n "${V:-}" ] || grep -q warning "$log"; then
	cat "$log" >&2
fi
[ "$target" = modules ] || exit 0

# The guest need not load what only the host reads.
if [ -n "$lab" ]; then
	rm -rf "$out/stripped"
	mkdir "$out/stripped"
	# shellcheck disable=SC2016 # the inner shell expands
	find "$out" -name stripped -prune -o -name '*.ko' -print0 |
		xargs -0 -I MODULE sh -c 'strip --strip-debug -o "$1/stripped/${2##*/}" "$2"' sh "$out" MODULE ||
		die "the modules in $out could not be stripped"
fi
echo "$inputs" >"$out/.inputs"
