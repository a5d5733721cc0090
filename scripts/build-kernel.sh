#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: build-kernel.sh [--is-built|--check] NAME
#
# Builds the kernel that qemu/config/NAME.config describes, in the cache, and points
# build/NAME/kernel at it. If it is a package of Debian, packaged-kernel.sh fetches it.
# Installs nothing: that is setup.sh's job. With --is-built it builds nothing, and exits
# with 0 if the kernel is built; with --check it checks whether it could be built.

. "$(dirname "$0")/lib.sh"

only_ask=
case ${1:-} in
--is-built | --check)
	only_ask=$1
	shift
	;;
esac
name=${1:?usage: build-kernel.sh [--is-built|--check] NAME}
need_host
fragment=$TOP/qemu/config/$(fragment_of "$name").config
asked=qemu/config/${fragment##*/}
[ "$name" = "${name%%+*}" ] || asked="CONFIG with $asked"
options=$("$TOP/scripts/kernel-options.sh" "$name") || exit 1
arch=$(arch_of "$name")
cross=$(cross "$arch")
image=$(arch "$arch" IMAGE)

package=$(kernel_package "$name")
if [ -n "$package" ]; then
	exec "$TOP/scripts/packaged-kernel.sh" ${only_ask:+"$only_ask"} "$name" "$package"
fi

check_cache
src=$("$TOP/scripts/kernel-source.sh" ${only_ask:+--check}) || exit 1
has_tree=
[ ! -d "$src/arch" ] || has_tree=yes
if [ -n "$cross$has_tree" ] && ! grep -qs HAVE_RUST "$src/arch/$(arch "$arch" SRCARCH)/Kconfig"; then
	die "the tree $src has no Rust for $arch: leave ARCH out, or name a newer tree with KERNEL_SRC="
fi
# The fragment says which compiler it is for.
compiler=$(printf '%s\n' "$options" | compiler_of -)
tools=$("$TOP/scripts/toolchain.sh" "$compiler" "$arch") || exit 1

tool()
{
	printf '%s\n' "$tools" | sed -n "s/^$1=//p"
}

cc=${cross}gcc
[ "$compiler" = gcc ] || cc=$(llvm_tool "$(tool LLVM)" clang)

key=$({
	echo "$src"
	echo "$options"
	"$cc" --version | head -n 1
	"$(tool RUSTC)" --version
	"$(tool BINDGEN)" --version
} | hash_of)
out=$CACHE/kernels/$name-$key
log=$out/build.log

link()
{
	mkdir -p "$TOP/build/$name"
	ln -sfn "$out" "$TOP/build/$name/kernel"
	# For scripts/cache.sh, if the cache is writable.
	touch "$out/used" 2>/dev/null || :
}

whole()
{
	[ -s "$out/vmlinux" ] && [ -s "$out/Module.symvers" ] && [ -s "$out/$image" ]
}

# The user's own tree may change under a finished build. A file that was moved into
# place has an old mtime, but a new ctime.
current()
{
	whole && [ -s "$out/built" ] || return 1
	[ -n "${KERNEL_SRC:-}" ] || return 0
	# The tree may be a copy that the next build brings up to date.
	_own=$(cd -- "$KERNEL_SRC" && pwd -P)
	[ -z "$(find "$src" "$_own" -name .git -prune -o -cnewer "$out/built" -print | head -n 1)" ]
}

if current; then
	[ "$only_ask" = --check ] || link
	exit
fi
[ "$only_ask" != --is-built ] || exit 1
need_writable
need_space "$CACHE/kernels" 1500 "kernel $name"
[ -z "$only_ask" ] || exit 0

make_cache
mkdir -p "$CACHE/kernels"
lock "$out.lock" "kernel $name"
if current; then
	link
	exit
fi
mkdir -p "$out"
[ ! -f "$out/built" ] || mv "$out/built" "$out/built.before"

# kmake TARGET...: $tools holds one NAME=VALUE a line, none with blanks.
kmake()
{
	# shellcheck disable=SC2086
	build make -C "$src" O="$out" V="${V:-0}" $tools "$@" >>"$log" 2>&1
}

failed()
{
	progress_stop
	say "kernel $name: the first errors are:"
	first_errors "$log" >&2
	die "$1; the whole log: $log"
}

: >"$log"
# A power failure may have left empty files.
find "$out" -type f -size 0 \( -name '*.o' -o -name '*.a' -o -name '*.cmd' -o -name '*.rmeta' -o -name '*.so' \
	-o -name '*.ko' -o -name vmlinux -o -name .config -o -name Module.symvers \) -delete

# Configure each time, as the tree's Kconfig may have changed; kbuild rebuilds only what
# differs.
printf '%s\n' "$options" >"$out/wanted.config"
kmake KCONFIG_ALLCONFIG="$out/wanted.config" allnoconfig || failed "failed to configure kernel $name"
# Kconfig silently drops options that it does not know or whose dependencies are missing.
# A line that says "before" is for older trees, and this one need not know it.
lost=$(printf '%s\n' "$options" |
	while read -r line; do
		! grep -q "^$line # before " "$TOP"/qemu/config/*.config || continue
		case $line in
		*=n) ! grep -q "^${line%=n}=" "$out/.config" || echo "$line" ;;
		*) grep -qxF "$line" "$out/.config" || echo "$line" ;;
		esac
	done | tr '\n' ' ')
if [ -n "$lost" ]; then
	kmake rustavailable || say "$(grep '^\*\*\*' "$log" | head -n 5)"
	die "this tree or toolchain does not provide what $asked asks for: $lost"
fi

work()
{
	work_in "$out"
}

# The fragment has an estimate of the work; a finished build has measured it.
total=$(cat "$CACHE/kernels/$name.work" "$CACHE/kernels/${name%%+*}.work" "$CACHE/kernels/${name%%[+@]*}.work" 2>/dev/null | sed -n '1p' | grep . || sed -n 's/^# Work: //p' "$fragment")
say "kernel $name: building $(basename "$src"), log in $log, with"
"$TOP/scripts/toolchain.sh" --explain "$compiler" "$arch" | sed 's/^/  /' >&2
start=$(date +%s)
progress_start "kernel $name: building" "${total:-0}" work
# The lab needs only these targets of "all"; with debug information also the kernel's gdb commands.
gdb=
! grep -qx CONFIG_GDB_SCRIPTS=y "$out/.config" || gdb=scripts_gdb
# shellcheck disable=SC2086 # it may be no word
kmake -j"$(nproc)" "${image##*/}" modules $gdb || failed "kernel $name could not be built"
progress_stop
whole || failed "kernel $name came out empty"
work >"$CACHE/kernels/$name.work"
# The mark of a complete build must not reach the disk before the build.
sync -f "$out/vmlinux"
date +%s >"$out/built"
link
seconds=$(($(date +%s) - start))
took "kernel-$name" $seconds
say "kernel $name: built in $seconds s, in $out"
