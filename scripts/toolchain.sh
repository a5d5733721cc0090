#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: toolchain.sh [--missing]
#
# Prints the make variables that name the tools for a kernel with Rust, one a
# line. With --missing it prints instead what lacks, one word a line out of
# "llvm", "rustc" and "bindgen", and nothing where all is there. LLVM is printed
# where it was found; the others are an error if they were not.
#
# LLVM, RUSTC and BINDGEN in the environment replace the search for that tool.

. "$(dirname "$0")/lib.sh"

llvm_complete()
{
	for _tool in ld.lld llvm-ar llvm-nm llvm-objcopy llvm-objdump llvm-readelf llvm-strip; do
		command -v "$_tool$1" >/dev/null || return 1
	done
	version_ok "$(version_of "clang$1")" "$MIN_LLVM"
}

# Prints the value for LLVM=: 1, or the suffix of a versioned set.
find_llvm()
{
	if [ -n "${LLVM:-}" ]; then
		echo "$LLVM"
		return
	fi
	for _suffix in "" -19 -22 -21 -20 -18 -17; do
		if llvm_complete "$_suffix"; then
			echo "${_suffix:-1}"
			return
		fi
	done
	return 1
}

# A compiler without its library's source cannot build core for the kernel;
# rustup's default installation is of that kind and often first on PATH.
rustc_complete()
{
	version_ok "$(version_of "$1")" "$MIN_RUSTC" &&
		[ -f "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core/src/lib.rs" ]
}

find_rustc()
{
	if [ -n "${RUSTC:-}" ]; then
		command -v "$RUSTC"
		return
	fi
	_ifs=$IFS
	IFS=:
	for _dir in $PATH /usr/bin; do
		case $_dir in
		*[[:space:]]*) continue ;;
		esac
		if [ -x "$_dir/rustc" ] && rustc_complete "$_dir/rustc"; then
			IFS=$_ifs
			echo "$_dir/rustc"
			return
		fi
	done
	IFS=$_ifs
	return 1
}

find_bindgen()
{
	if [ -n "${BINDGEN:-}" ]; then
		command -v "$BINDGEN"
		return
	fi
	for _bindgen in "$(command -v bindgen)" "$CACHE/bindgen/bindgen"; do
		case $_bindgen in
		"" | *[[:space:]]*) continue ;;
		esac
		if version_ok "$(version_of "$_bindgen")" "$MIN_BINDGEN"; then
			echo "$_bindgen"
			return
		fi
	done
	return 1
}

llvm=$(find_llvm) || llvm=
rustc=$(find_rustc) || rustc=
bindgen=$(find_bindgen) || bindgen=

if [ "${1:-}" = --missing ]; then
	[ -n "$llvm" ] || echo llvm
	[ -n "$rustc" ] || echo rustc
	[ -n "$bindgen" ] || echo bindgen
	exit 0
fi

[ -n "$rustc" ] || die "no rustc of version $MIN_RUSTC or newer with its library source: run scripts/setup.sh, or set RUSTC="
[ -n "$bindgen" ] || die "no bindgen of version $MIN_BINDGEN or newer: run scripts/setup.sh, or set BINDGEN="

bin=$(dirname "$rustc")
# Only a kernel that is built with clang needs these.
[ -z "$llvm" ] || echo "LLVM=$llvm"
echo "RUSTC=$rustc"
echo "HOSTRUSTC=$rustc"
echo "BINDGEN=$bindgen"
# The helpers must be of the compiler's own version, so they come from beside it.
for tool in RUSTDOC=rustdoc RUSTFMT=rustfmt CLIPPY_DRIVER=clippy-driver; do
	[ -x "$bin/${tool#*=}" ] && echo "${tool%%=*}=$bin/${tool#*=}"
done
exit 0
