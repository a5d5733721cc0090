#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: scripts/check-kdir.sh distinguishes all reasons why a tree does not build
# Rust modules. Each case is a fake tree of the few files that it reads.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 4
trap 'rm -rf "$work"' EXIT

count=0
failed=0

# tree VERSION: a finished build of that version, to be spoiled by the case.
tree()
{
	kdir=$work/kdir
	rm -rf "$kdir"
	mkdir -p "$kdir/include/config" "$kdir/rust/kernel"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = 0\nNAME = Test\n' "${1%.*}" "${1#*.}" >"$kdir/Makefile"
	cat >"$kdir/include/config/auto.conf" <<-EOF
		CONFIG_RUST=y
		CONFIG_CC_IS_CLANG=y
		CONFIG_CLANG_VERSION=190107
		CONFIG_CC_VERSION_TEXT="clang version 19.1.7"
		CONFIG_RUSTC_VERSION_TEXT="rustc 1.85.0 (fake)"
		CONFIG_BINDGEN_VERSION_TEXT="bindgen 0.71.1"
	EOF
	touch "$kdir/vmlinux" "$kdir/rust/libcore.rmeta" "$kdir/rust/libkernel.rmeta" "$kdir/rust/kernel/lib.rs"
}

set_config()
{
	sed -i "s|^$1=.*|$1=$2|" "$kdir/include/config/auto.conf"
}

unset_config()
{
	sed -i "/^$1=/d" "$kdir/include/config/auto.conf"
}

# A fake tool that only prints its version.
tool()
{
	mkdir -p "$work/bin"
	printf '#!/bin/sh\necho "%s"\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# check NAME STATUS WORDS: check-kdir.sh prints one line with WORDS about $kdir.
check()
{
	count=$((count + 1))
	said=$(PATH=$path RUSTC=$work/bin/rustc BINDGEN=$work/bin/bindgen LLVM=$llvm \
		XDG_CACHE_HOME=$work/cache "$top/scripts/check-kdir.sh" "$kdir" 2>&1)
	status=$?
	lines=$(printf %s "$said" | grep -c '')
	case $said in
	*"$3"*) [ "$status" -eq "$2" ] && [ "$lines" -le 1 ] && echo "ok $count $1" && return ;;
	esac
	failed=$((failed + 1))
	echo "not ok $count $1"
	echo "# wanted status $2 and one line with: $3"
	printf 'status %s: %s\n' "$status" "$said" | sed 's/^/# /'
}

tool rustc "rustc 1.85.0 (fake)"
tool bindgen "bindgen 0.71.1"
for program in clang ld.lld llvm-ar llvm-nm llvm-objcopy llvm-objdump llvm-readelf llvm-strip; do
	tool $program "clang version 19.1.7"
done
llvm=1
path=$work/bin:$PATH

echo "KTAP version 1"
echo "1..16"

tree 7.3
check "a finished build passes" 0 ""

tree 7.2
check "the oldest kernel passes" 0 ""

tree 7.1
check "an older kernel" 1 "is linux 7.1"

kdir=$work/none
check "no such directory" 1 "does not exist"

tree 7.3
rm "$kdir/Makefile"
check "not a kernel tree" 1 "is not a kernel build tree"

tree 7.3
echo "all:" >"$kdir/Makefile"
check "a Makefile, but not a kernel's" 1 "names no version"

tree 7.3
echo "include $work/gone/Makefile" >"$kdir/Makefile"
check "a build whose source is gone" 1 "source tree that is gone"

tree 7.3
rm -r "$kdir/include"
check "never configured" 1 "never configured"

tree 7.3
unset_config CONFIG_RUST
check "CONFIG_RUST off" 1 "has CONFIG_RUST off: configure"

tree 7.3
unset_config CONFIG_RUST
set_config CONFIG_BINDGEN_VERSION_TEXT '""'
check "CONFIG_RUST off without bindgen" 1 "as there was no bindgen"

tree 7.3
unset_config CONFIG_RUST
set_config CONFIG_CLANG_VERSION 160006
check "CONFIG_RUST off for an old LLVM" 1 "as its LLVM is too old"

tree 7.3
rm -r "$kdir/rust" "$kdir/vmlinux"
check "headers without metadata" 1 "holds headers without rust/*.rmeta"

tree 7.3
rm "$kdir/rust/libkernel.rmeta"
check "a build that was never finished" 1 "was never finished"

tree 7.3
rm "$kdir/rust/libkernel.rmeta" "$work/bin/bindgen"
check "no metadata and no bindgen" 1 "there is no bindgen"
tool bindgen "bindgen 0.71.1"

tree 7.3
set_config CONFIG_RUSTC_VERSION_TEXT '"rustc 1.86.0 (other)"'
check "another rustc" 1 "was built with 'rustc 1.86.0 (other)'"

tree 7.3
llvm=
mkdir "$work/few"
for program in sh dirname basename sed awk head sort printf cut tr cat grep env uname getconf readlink find; do
	ln -s "$(command -v $program)" "$work/few/$program"
done
path=$work/few
check "no LLVM" 1 "needs clang, lld and llvm"

[ "$failed" -eq 0 ]
