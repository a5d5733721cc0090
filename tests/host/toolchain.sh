#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: scripts/toolchain.sh chooses tools that match, and says which do not. The
# tools are fakes that only print their versions.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# fake FILE TEXT [SYSROOT LLVM]: a program that prints TEXT for any arguments, except those
# that ask rustc for the other two.
fake()
{
	mkdir -p "${1%/*}"
	# shellcheck disable=SC2016 # the program itself expands that
	printf '#!/bin/sh\n[ "$2" = sysroot ] && exec echo "%s"\n[ "$1" = -vV ] && exec echo "LLVM version: %s"\necho "%s"\n' \
		"${3:-}" "${4:-}" "$2" >"$1"
	chmod +x "$1"
}

# llvm VERSION SUFFIX: a complete LLVM with its libclang, first on PATH with that suffix.
llvm()
{
	for _tool in ld.lld llvm-ar llvm-nm llvm-objcopy llvm-objdump llvm-readelf llvm-strip llvm-link clang; do
		fake "$work/llvm-${1%%.*}/bin/$_tool" "clang version $1"
		ln -sf "$work/llvm-${1%%.*}/bin/$_tool" "$work/bin/$_tool$2"
	done
	mkdir -p "$work/llvm-${1%%.*}/lib"
	: >"$work/llvm-${1%%.*}/lib/libclang-${1%%.*}.so.${1%%.*}"
	: >"$work/llvm-${1%%.*}/lib/libclang-cpp.so.99"
}

# rust DIR VERSION [without]: a rustc with LLVM $rust_llvm, with the source of its library or
# without.
rust_llvm=22.1.2
rust()
{
	mkdir -p "$1/lib/rustlib/src/rust/library/core/src"
	: >"$1/lib/rustlib/src/rust/library/core/src/lib.rs"
	[ -z "${3:-}" ] || rm -r "${1:?}/lib"
	fake "$1/rustc" "rustc $2 (fake)" "$1" "$rust_llvm"
}

begin()
{
	rm -rf "${work:?}/bin" "$work"/llvm-* "$work"/rust-*
	mkdir -p "$work/bin"
	rust "$work/rust-a" 1.85.0
	fake "$work/bin/bindgen" "bindgen 0.71.1"
	path=$work/bin:$work/rust-a
}

# tools [NAME=VALUE...] [ARGUMENT...]: the output of toolchain.sh; sets $status.
tools()
{
	said=$(env -i HOME="$work" XDG_CACHE_HOME="$work/cache" PATH="$path:/usr/bin:/bin" "$@" 2>&1)
	status=$?
}

# chosen NAME: the value for that make variable.
chosen()
{
	printf '%s\n' "$said" | sed -n "s/^$1=//p"
}

# refused NAME PATTERN: it fails with one line that matches.
refused()
{
	ktap_match "$1" "1 1 $2" "$status $(printf %s "$said" | grep -c '') $said"
}

ktap_plan 41
toolchain=$top/scripts/toolchain.sh

begin
llvm 22.1.0 ""
llvm 19.1.7 -19
tools "$toolchain" clang
ktap_eq "an old bindgen goes with an older LLVM" "-19 $work/llvm-19/lib" "$(chosen LLVM) $(chosen LIBCLANG_PATH)"
fake "$work/bin/bindgen" "bindgen 0.72.1"
tools "$toolchain" clang
ktap_eq "a newer one with the first LLVM" "1 $work/llvm-22/lib" "$(chosen LLVM) $(chosen LIBCLANG_PATH)"
tools LLVM=-19 "$toolchain" clang
ktap_eq "libclang is of the version of LLVM=" "-19 $work/llvm-19/lib" "$(chosen LLVM) $(chosen LIBCLANG_PATH)"
tools LLVM="$work/llvm-19/bin/" "$toolchain" clang
ktap_eq "LLVM may be a directory" "$work/llvm-19/bin/ $work/llvm-19/lib" "$(chosen LLVM) $(chosen LIBCLANG_PATH)"
tools "$toolchain" gcc
ktap_eq "a kernel of gcc gets no LLVM" "0 " "$status $(chosen LLVM)"
tools LLVM=-3 "$toolchain" gcc
ktap_eq "and is not asked for one" "0 " "$status $(chosen LLVM)"
tools LLVM=-3 "$toolchain" clang
refused "LLVM= of what is not there" "*LLVM=-3 is not usable, as there is no clang-3*"
tools LLVM=-3 "$toolchain" --missing clang
refused "nothing that is installed would mend that" "*LLVM=-3 is not usable*"
tools LLVM="$work/two words/" "$toolchain" clang
refused "LLVM= with a blank" "*has a blank*"

begin
llvm 22.1.0 ""
tools LIBCLANG_PATH="$work/llvm-22/lib" "$toolchain" clang
refused "a libclang that loses fields" "*bindgen before 0.72.1 loses fields*"
tools LIBCLANG_PATH="$work/llvm-22/lib" "$toolchain" --missing clang
refused "and no package mends that" "*bindgen before 0.72.1 loses fields*"
tools LIBCLANG_PATH="$work/none" "$toolchain" clang
refused "LIBCLANG_PATH of what is not there" "*there is no libclang*"
: >"$work/llvm-22/lib/libclang.so.14.0.6"
rm "$work/llvm-22/lib/libclang-22.so.22"
tools LIBCLANG_PATH="$work/llvm-22/lib" "$toolchain" clang
refused "LIBCLANG_PATH of an old one" "*is libclang 14.0.6*"

begin
rust "$work/rust-0" 1.99.0 without
path=$work/bin:$work/rust-0:$work/rust-a
tools "$toolchain" gcc
ktap_eq "a rustc without its library's source is passed over" "$work/rust-a/rustc" "$(chosen RUSTC)"
tools "$toolchain" --explain gcc
ktap_match "which is told" "*passed over: $work/rust-0/rustc: the source of its library is not installed*" "$said"
tools RUSTC="$work/rust-0/rustc" "$toolchain" gcc
refused "RUSTC= without its library's source" "*source of its library is not installed*"
tools RUSTC="$work/none" "$toolchain" gcc
refused "RUSTC= of what is not there" "*there is no such program*"
fake "$work/old" "bindgen 0.60.1"
tools BINDGEN="$work/old" "$toolchain" none
ktap_eq "rustc alone needs no bindgen" "0 $work/rust-a/rustc " "$status $(chosen RUSTC) $(chosen BINDGEN)"
tools BINDGEN="$work/old" "$toolchain" --missing none
ktap_eq "so nothing is missing" "0 " "$status $said"
tools BINDGEN="$work/old" "$toolchain" gcc
refused "BINDGEN= of an old one" "*BINDGEN=$work/old is 0.60.1*"
tools BINDGEN="$work/none" "$toolchain" --missing gcc
refused "BINDGEN= of what is not there" "*there is no such program*"

# Where C is inlined into Rust, their LLVM is the same. This one is on no machine.
rust_llvm=29.1.2
begin
llvm 19.1.7 -19
llvm 29.1.0 -29
tools "$toolchain" clang-of-rustc
refused "a bindgen that loses fields with that LLVM" "*no bindgen of version 0.72.1 or newer*"
tools "$toolchain" --missing clang-of-rustc
ktap_eq "the version that is missing is named" "0 bindgen-0.72.1" "$status $said"
fake "$work/cache/rust-kthread-demo/bindgen-newer/bindgen" "bindgen 0.72.1"
tools "$toolchain" clang-of-rustc
ktap_eq "a newer one is taken from the cache" "0 $work/cache/rust-kthread-demo/bindgen-newer/bindgen" "$status $(chosen BINDGEN)"
ktap_eq "clang is of the LLVM that rustc has" "0 -29" "$status $(chosen LLVM)"
tools "$toolchain" --explain clang-of-rustc
ktap_match "and this is told" "*LLVM=-29, of the LLVM that rustc has*passed over: LLVM=-19: clang is 19.1.7, and rustc has LLVM 29*" "$said"
tools LLVM=-19 "$toolchain" clang-of-rustc
refused "LLVM= of another" "*LLVM=-19 is not usable, as clang is 19.1.7, and rustc has LLVM 29*"
tools LIBCLANG_PATH="$work/llvm-19/lib" "$toolchain" clang-of-rustc
refused "LIBCLANG_PATH of another" "*is libclang 19*, and rustc has LLVM 29*"
mkdir -p "$work/kdir/include/config"
cat >"$work/kdir/include/config/auto.conf" <<'END'
CONFIG_CC_IS_CLANG=y
CONFIG_RUST_INLINE_HELPERS=y
CONFIG_RUSTC_VERSION_TEXT="rustc 1.85.0 (fake)"
END
tools "$toolchain" "$work/kdir"
ktap_eq "and for modules of such a kernel" "-29" "$(chosen LLVM)"
rm "$work/bin/llvm-link-29"
tools "$toolchain" clang-of-rustc
refused "llvm-link is needed" "*no libclang 29, as rustc has,*"
tools "$toolchain" clang
ktap_eq "only then" "0 -19" "$status $(chosen LLVM)"
tools "$toolchain" --missing clang-of-rustc
ktap_eq "its version is named" "0 llvm-29 libclang-29" "$status $(printf %s "$said" | tr '\n' ' ')"
rust_llvm=19.1.7
begin
llvm 22.1.0 ""
llvm 19.1.7 -19
tools "$toolchain" clang-of-rustc
ktap_eq "an older one, too" "-19 $work/llvm-19/lib" "$(chosen LLVM) $(chosen LIBCLANG_PATH)"
rust_llvm=22.1.2

# A machine that only has the fake tools.
bare=$work/lab/scripts/toolchain.sh
mkdir -p "${bare%/*}" "$work/lab/qemu"
cp "$top/scripts/lib.sh" "${bare%/*}"
cp "$top/qemu/project.conf" "$work/lab/qemu"
sed "s|/usr/lib|$work/usr/lib|g" "$toolchain" >"$bare"
chmod +x "$bare"
begin
tools "$bare" --missing gcc
ktap_eq "no libclang at all is missed" "0 libclang" "$status $said"
tools "$bare" gcc
refused "and said" "*no libclang*set LIBCLANG_PATH=*"

begin
rust "$work/rust-b" 1.90.0 without
path=$work/bin:$work/rust-a:$work/rust-b
mkdir -p "$work/kdir/include/config"
cat >"$work/kdir/include/config/auto.conf" <<'END'
CONFIG_CC_IS_GCC=y
CONFIG_RUSTC_VERSION_TEXT="rustc 1.90.0 (fake)"
END
rm "$work/bin/bindgen"
tools "$toolchain" "$work/kdir"
ktap_eq "a built kernel gets the rustc that it was built with, and needs no bindgen" "0 $work/rust-b/rustc" "$status $(chosen RUSTC)"
tools RUSTC="$work/rust-a/rustc" "$toolchain" "$work/kdir"
refused "and no other" "*was built with 'rustc 1.90.0 (fake)'*"
rm -r "$work/rust-b"
tools "$toolchain" "$work/kdir"
refused "if that is gone it is named" "*was built with 'rustc 1.90.0 (fake)', and that rustc is not here*"
llvm 20.1.0 ""
llvm 19.1.7 -19
cat >"$work/kdir/include/config/auto.conf" <<'END'
CONFIG_CC_IS_CLANG=y
CONFIG_CC_VERSION_TEXT="clang version 19.1.7"
CONFIG_RUSTC_VERSION_TEXT="rustc 1.85.0 (fake)"
END
tools "$toolchain" "$work/kdir"
ktap_eq "and its own clang" "-19" "$(chosen LLVM)"
rm -r "$work"/llvm-*/lib
tools "$bare" "$work/kdir"
ktap_eq "and where there is no libclang" "-19 " "$(chosen LLVM) $(chosen BINDGEN)"
tools "$toolchain" "$work/none"
refused "a KDIR that was never built" "*is not a kernel that was configured and built*"
ktap_finished
