#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: metadata.sh [--find|--check] KDIR
#
# Makes the metadata of the kernel's own crates for KDIR, the headers of a Debian kernel.
# Rust modules need it, and Debian's package leaves it out. It uses the exact source and
# compilers of that kernel, and builds no kernel. The result is a folder in the cache that
# replaces KDIR in later builds; KDIR itself stays unchanged. Prints the folder.
# With --find it makes nothing, and fails if there is no such folder yet; with --check it
# checks whether it could be made.

. "$(dirname "$0")/lib.sh"

mode=
case ${1:-} in
--find | --check)
	mode=${1#--}
	shift
	;;
esac
given=${1:?usage: metadata.sh [--find|--check] KDIR}

need_arch x86_64
check_cache
kdir=$(cd -- "$given" 2>/dev/null && pwd -P) || die "KDIR=$given does not exist: install the kernel's headers"

refuse()
{
	die "KDIR=$given $*"
}

release=$(cat "$kdir/include/config/kernel.release" 2>/dev/null)
if [ -z "$release" ] || [ ! -f "$kdir/.config" ] || [ ! -f "$kdir/Module.symvers" ]; then
	refuse "is not a kernel's headers (one of .config, Module.symvers and include/config/kernel.release is not there): name the directory that /lib/modules/VERSION/build points to"
fi
plain_path "$release" || refuse "has a release '$release' that is not made of $PLAIN"
out=$CACHE/metadata/$release-$(cat "$kdir/.config" "$kdir/Module.symvers" "$kdir/include/config/kernel.release" | hash_of)
log=$out/build.log

found()
{
	# For scripts/cache.sh, if the cache is writable.
	touch "$out/used" 2>/dev/null || :
	echo "$out"
}

# The compilers may have been removed since.
current()
{
	[ -s "$out/built" ] && [ -x "$(sed -n 's/^CC=//p' "$out/tools.mk")" ]
}

if current; then
	[ "$mode" = check ] || found
	exit 0
fi
[ "$mode" != find ] || exit 1

if [ -f "$kdir/rust/libkernel.rmeta" ]; then
	refuse "already has the Rust metadata: make KDIR='$given' uses it"
fi
[ "$(conf "$kdir/.config" CONFIG_RUST)" = y ] || refuse "belongs to a kernel with CONFIG_RUST off, which loads no Rust module: use another kernel"
if [ "$(conf "$kdir/.config" CONFIG_MODVERSIONS)" = y ]; then
	refuse "belongs to a kernel with CONFIG_MODVERSIONS, and only a full build makes the checksums of Rust symbols: build the kernel from its source"
fi
version=$(sed -n 's/^#define UTS_VERSION .* Debian \([^ "]*\) .*/\1/p' "$kdir/include/generated/utsversion.h" 2>/dev/null)
[ -n "$version" ] ||
	refuse "does not tell which version of Debian's linux package it is (include/generated/utsversion.h), and only Debian's headers are known to lack the metadata and nothing else: build that kernel from its source"
series=$(kernel_series "$version")
version_ok "$series" "$MIN_KERNEL" ||
	refuse "is linux $series, and the Rust interfaces used here came with $MIN_KERNEL: use a newer kernel"

need_writable
need_space "$CACHE" 600 "the metadata of $release"
if [ "$mode" = check ]; then
	"$TOP/scripts/toolbox.sh" --check "$kdir/.config" >/dev/null
	exit
fi
make_cache
mkdir -p "$out" || exit 1
lock "$out/lock" "metadata of $release"
if current; then
	found
	exit
fi

start=$(date +%s)
src=$("$TOP/scripts/kernel-source.sh" --of "$series" "$version") || exit 1
tools=$("$TOP/scripts/toolbox.sh" "$kdir/.config") || exit 1
bin=$(printf '%s\n' "$tools" | sed -n 's|^CC=\(.*\)/[^/]*$|\1|p')

# kmake TARGET...: $tools holds one NAME=VALUE a line, none with blanks. The
# configuration also depends on an openssl that is beside the compilers.
kmake()
{
	# shellcheck disable=SC2086
	PATH=$bin:$PATH build make -C "$src" O="$out" V="${V:-0}" $tools "$@" >>"$log" 2>&1
}

failed()
{
	progress_stop
	first_errors "$log" >&2
	die "$1; the log: $log"
}

: >"$log"
cp "$kdir/.config" "$out/.config" || exit 1
kmake olddefconfig || failed "the configuration of $release could not be taken over"
# A changed option may change the layout of the kernel's structures.
changed=$(diff "$kdir/.config" "$out/.config" | sed -n 's/^[<>] \(# \)\{0,1\}\(CONFIG_[A-Za-z0-9_]*\).*/\2/p' | sort -u | tr '\n' ' ')
[ -z "$changed" ] ||
	die "with the programs of this machine the configuration of $release would differ: ${changed}(they depend on pahole, openssl and the compilers); the log: $log"

made()
{
	work_in "$out"
}

say "metadata: making that of $release, about two minutes on two CPUs; the log is $log"
progress_start "metadata: building" 320 made
kmake -j"$(nproc)" prepare || failed "the metadata of $release could not be built"
progress_stop

# These must equal those of the kernel's own build.
for file in include/config/auto.conf include/generated/autoconf.h include/generated/asm-offsets.h \
	include/generated/bounds.h include/generated/rq-offsets.h include/generated/timeconst.h include/generated/rustc_cfg; do
	[ ! -f "$kdir/$file" ] || cmp -s "$kdir/$file" "$out/$file" ||
		die "$file came out different from that of $release, so modules would not match the kernel; the log: $log"
done
# With the same compiler and source, the mangled names equal those that the kernel exports.
sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));$/\1/p' "$out"/rust/exports_*_generated.h | sort -u >"$out/symbols"
cut -f 2 "$kdir/Module.symvers" | sort -u >"$out/exported"
lost=$(comm -23 "$out/symbols" "$out/exported" | head -n 1)
if [ ! -s "$out/symbols" ] || [ -n "$lost" ]; then
	die "the kernel does not export the Rust symbol ${lost:-(there are none)}, so its compiler or source was different; the log: $log"
fi
rm -f "$out/symbols" "$out/exported"

# Take these from the package.
mkdir -p "$out/scripts"
why="KDIR=$given lacks a part, or there is no room in $out"
cp "$kdir/Module.symvers" "$out/Module.symvers" || die "$why"
cp "$kdir/include/config/kernel.release" "$out/include/config/kernel.release" || die "$why"
cp "$kdir"/include/generated/uts*.h "$out/include/generated/" || die "$why"
cp "$kdir/arch/x86/module.lds" "$out/scripts/module.lds" || die "$why"
# The kernel's BTF, which that of modules refers to.
[ ! -f "$kdir/vmlinux" ] || cp "$kdir/vmlinux" "$out/vmlinux" || exit 1
printf '%s\n' "$tools" >"$out/tools.mk"
sync -f "$out/Module.symvers"
date +%s >"$out/built"
took "metadata" $(($(date +%s) - start))
say "metadata: that of $release is in $out, and replaces KDIR=$given from now on"
if [ "$(conf "$kdir/.config" CONFIG_MODULE_SIG_FORCE)" = y ]; then
	say "metadata: this kernel only loads signed modules: sign them with $out/scripts/sign-file and a key that it trusts (mokutil --import)"
fi
found
