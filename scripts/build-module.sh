#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: build-module.sh NAME|KDIR SRCDIR OUTDIR [TARGET [VARIABLE=VALUE...]]
#
# Builds the external module in SRCDIR against the kernel build/NAME/kernel, or against
# KDIR (recognised by its slash), with all output in OUTDIR. For a kernel NAME the modules
# have line tables, and OUTDIR/stripped holds them without. kbuild decides what to
# rebuild. With a TARGET NAME.ko that module is the only one that is built, and in
# OUTDIR/stripped. With the TARGET coverage the modules record which of their code runs.

. "$(dirname "$0")/lib.sh"

[ $# -ge 3 ] || die "usage: build-module.sh NAME|KDIR SRCDIR OUTDIR [TARGET [VARIABLE=VALUE...]]"
lab=
case $1 in
*/*) kdir=$1 ;;
*)
	kdir=$TOP/build/$1/kernel
	# The lab builds the tests, too.
	lab=$PROJECT_TESTS=1
	;;
esac
kdir=$(cd -- "$kdir" 2>/dev/null && pwd -P) || die "$1: there is no such kernel build: scripts/build-kernel.sh makes build/NAME/kernel"
if [ ! -f "$kdir/rust/libkernel.rmeta" ]; then
	# Headers whose metadata was made separately.
	stands_for=$("$TOP/scripts/metadata.sh" --find "$kdir" 2>/dev/null) && kdir=$stands_for
fi
plain_path "$kdir" || die "the kernel build '$kdir' has a path that is not made of $PLAIN, and kbuild takes no others: move it"
src=$(cd -- "$2" 2>/dev/null && pwd -P) || die "there is no directory '$2' with a module in it"
[ -f "$src/Kbuild" ] || [ -f "$src/Makefile" ] || die "'$src' is not a module: it has neither a Kbuild nor a Makefile"
mkdir -p -- "$3" 2>/dev/null || die "failed to make the directory '$3': give it to $(id -un), or remove what is there"
out=$(cd -- "$3" && pwd -P) || exit 1
[ -w "$out" ] || die "'$out' is not writable for $(id -un): have it removed or given to you, as after a run as root"
name=$1
shift 3
target=${1:-modules}
[ $# -eq 0 ] || shift
log=$out.log

cross=
! arch=$(arch_of_config "$kdir/include/config/auto.conf") || cross=$(cross "$arch")

# Modules need the tools that their kernel was built with.
tools=$("$TOP/scripts/toolchain.sh" "$kdir") || exit 1
compiler=$(compiler_of "$kdir/include/config/auto.conf")

# These give stack traces file and line in the modules, even on a kernel without debug
# information. clang leaves the names of functions out of mere line tables.
if [ -n "$lab" ] && ! grep -qx 'CONFIG_DEBUG_INFO=y' "$kdir/include/config/auto.conf"; then
	level=-g1
	[ "$compiler" = gcc ] || level=-g
	set -- "$@" KCFLAGS=$level KRUSTFLAGS=-Cdebuginfo=line-tables-only
fi
# Each block of code reports to qemu/coverage/lab_coverage.c that it runs.
if [ "$target" = coverage ]; then
	target=modules
	cblocks=-fsanitize-coverage=trace-pc
	[ "$compiler" = gcc ] ||
		cblocks="$cblocks -mllvm -sanitizer-coverage-prune-blocks=0"
	blocks="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3"
	blocks="$blocks -Cllvm-args=-sanitizer-coverage-trace-pc -Cllvm-args=-sanitizer-coverage-prune-blocks=0"
	set -- "$@" KBUILD_EXTRA_SYMBOLS="$TOP/build/$name/coverage/Module.symvers" \
		RUSTFLAGS_MODULE="$blocks" CFLAGS_MODULE="$cblocks"
fi
own_depmod=
if [ "$target" = modules_install ]; then
	# A relative path is relative to where make was started, and kbuild runs elsewhere.
	case ${INSTALL_MOD_PATH:-} in
	'' | /*) ;;
	*) INSTALL_MOD_PATH=$TOP/$INSTALL_MOD_PATH ;;
	esac
	set -- "$@" ${INSTALL_MOD_PATH:+INSTALL_MOD_PATH="$INSTALL_MOD_PATH"} \
		${INSTALL_MOD_DIR:+INSTALL_MOD_DIR="$INSTALL_MOD_DIR"} \
		${INSTALL_MOD_STRIP:+INSTALL_MOD_STRIP="$INSTALL_MOD_STRIP"}
	# A packaged kernel has no System.map, or one without symbols. kbuild then runs no depmod, or
	# one that reports each symbol of each module as unknown.
	if ! grep -qs ' T ' "$kdir/System.map"; then
		own_depmod=yes
		set -- "$@" DEPMOD=true
	fi
fi

# kbuild breaks on many characters in paths: build from a copy in the cache then.
work=$src
result=$out
if ! plain_path "$src$out"; then
	make_cache
	for copy in "$CACHE"/copies/*; do
		# Remove copies whose origin is gone.
		[ ! -f "$copy/origin" ] || [ -d "$(cat "$copy/origin")" ] || rm -rf "$copy"
	done
	copy=$CACHE/copies/$(printf '%s\n' "$src" "$out" | hash_of)
	mkdir -p "$copy/out" || exit 1
	lock "$copy/lock" "the copy of $src"
	rm -rf "$copy/src"
	mkdir "$copy/src" || exit 1
	printf '%s\n' "$src" >"$copy/origin"
	tar -C "$src" --exclude=./build --exclude=./.git -cf - . | tar -C "$copy/src" -xf - || exit 1
	work=$copy/src
	result=$copy/out
fi

# kmake TARGET...: $tools and $lab hold words NAME=VALUE, none with blanks in it.
kmake()
{
	# shellcheck disable=SC2086
	build make -C "$kdir" M="$work" MO="$result" V="${V:-0}" -j"$(nproc)" $tools $lab "$@" >"$log" 2>&1
}

failed()
{
	progress_stop
	cat "$log" >&2
	die "the module in $src could not be built; the log: $log"
}

# Objects do not record which kernel they were built for.
kernel=$(cd "$kdir" && stat -c '%n %s %Y' built Module.symvers rust/*.rmeta include/generated/autoconf.h 2>/dev/null)
kernel="$kdir
$kernel"
if [ "$(cat "$result/.kernel" 2>/dev/null)" != "$kernel" ]; then
	[ ! -e "$result/.kernel" ] || kmake clean || failed
	printf '%s\n' "$kernel" >"$result/.kernel"
fi

progress_start "module: building" 0 nothing
kmake "$@" "$target" || failed
progress_stop
if [ -n "$own_depmod" ]; then
	PATH=$PATH:/sbin:/usr/sbin
	if command -v depmod >/dev/null; then
		depmod ${INSTALL_MOD_PATH:+-b "$INSTALL_MOD_PATH"} "$(cat "$kdir/include/config/kernel.release")" ||
			die "the modules are installed, but depmod failed: run it before modprobe"
	else
		say "there is no depmod here (package kmod): run it before modprobe"
	fi
fi

# kbuild leaves modules behind that it no longer builds: remove them.
if [ "$target" = modules ]; then
	find "$result" -name stripped -prune -o -name '*.ko' -printf '%P\n' | while IFS= read -r module; do
		module=${module%.ko}
		grep -qxF "$module.o" "$result/modules.order" || rm -f "$result/$module.ko" "$result/$module.mod" \
			"$result/$module.mod.c" "$result/$module.mod.o" "$result/$module.o"
	done
fi
if [ "$result" != "$out" ]; then
	find "$out" -name '*.ko' -delete
	cp -pR "$result"/. "$out" || die "nothing came out of $src; the log: $log"
fi
if [ -n "${V:-}" ] || grep -q warning "$log"; then
	cat "$log" >&2
fi
built='*.ko'
case $target in
modules) ;;
*.ko) built=$target ;;
*) exit 0 ;;
esac

# The guest does not need the debug information.
if [ -n "$lab" ]; then
	rm -rf "$out/stripped"
	mkdir "$out/stripped"
	# shellcheck disable=SC2016 # the inner shell expands
	find "$out" -name stripped -prune -o -name "$built" -print0 |
		xargs -0 -I MODULE sh -c '"$1" --strip-debug -o "$2/stripped/${3##*/}" "$3"' sh "${cross}strip" "$out" MODULE ||
		die "the modules in $out could not be stripped"
fi
