#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: toolchain.sh [--missing|--explain] [gcc|clang|clang-of-rustc|none|KDIR [ARCH]]
#
# Chooses a matching set of rustc, bindgen, libclang and LLVM, for a kernel that is built
# with gcc or clang, or for modules of the kernel in KDIR, which need the tools that it was
# built with. With clang-of-rustc, rustc and clang have the same LLVM, so that code of one
# can be inlined into that of the other. With none, no kernel is built, and the set is rustc
# alone. Without any of these, the set includes LLVM if it is installed. A kernel for a foreign
# architecture, as ARCH or KDIR says, also needs a gcc that builds for it.
#
# Prints the make variables that name them, one a line. With --missing it prints what is
# missing, one word a line out of "cross", "llvm" or "llvm-VERSION", "rustc", "bindgen" or
# "bindgen-VERSION", and "libclang" or "libclang-VERSION", and with --explain which tools it
# chose and why, and which it passed over.
#
# LLVM, RUSTC, BINDGEN and LIBCLANG_PATH in the environment replace the search
# for that tool, and must fit the rest.

. "$(dirname "$0")/lib.sh"

mode=print
case ${1:-} in
--missing | --explain)
	mode=${1#--}
	shift
	;;
esac

kdir=
compiler=${1:-any}
arch=${2:-}
case $compiler in
any | gcc | clang | clang-of-rustc | none) ;;
*)
	kdir=$1
	[ -f "$kdir/include/config/auto.conf" ] || die "KDIR=$kdir is not a kernel that was configured and built"
	compiler=$(compiler_of "$kdir/include/config/auto.conf")
	arch=$(arch_of_config "$kdir/include/config/auto.conf")
	;;
esac
of_rustc=
if [ "$compiler" = clang-of-rustc ]; then
	compiler=clang
	of_rustc=yes
fi
cross=
[ -z "$arch" ] || cross=$(cross "$arch")

# metadata.sh records the tools of a distribution's kernel.
if [ -f "$kdir/tools.mk" ]; then
	case $mode in
	print) cat "$kdir/tools.mk" ;;
	explain) sed -n 's/^\(CC\|RUSTC\|BINDGEN\|PAHOLE\)=\(.*\)/\2, which the kernel was built with/p' "$kdir/tools.mk" ;;
	esac
	exit 0
fi

passed_over=

pass_over()
{
	passed_over="$passed_over
passed over: $1"
}

# plain NAME VALUE: refuses blanks, at which make splits values.
plain()
{
	case $2 in
	*[[:space:]]*) die "$1='$2' has a blank, which kbuild does not accept: give it by another path, or unset $1" ;;
	esac
}

# LLVM is as in kbuild: 1, a suffix as in -19, or a directory as in /opt/llvm/bin/.
check_llvm()
{
	_lacking=
	# shellcheck disable=SC2086 # it may be no word
	for _tool in clang ld.lld llvm-ar llvm-nm llvm-objcopy llvm-objdump llvm-readelf llvm-strip ${of_rustc:+llvm-link}; do
		command -v "$(llvm_tool "$1" $_tool)" >/dev/null || _lacking="$_lacking $(llvm_tool "$1" $_tool)"
	done
	if [ -n "$_lacking" ]; then
		why="there is no$_lacking"
		return 1
	fi
	llvm_version=$(version_of "$(llvm_tool "$1" clang)")
	why="clang is ${llvm_version:-broken}, and $MIN_LLVM or newer is needed"
	version_ok "$llvm_version" "$MIN_LLVM" || return
	why="clang is $llvm_version, and rustc has LLVM ${llvm_of_rustc:-of no version, as it is missing}"
	[ -z "$of_rustc" ] || [ "${llvm_version%%.*}" = "$llvm_of_rustc" ]
}

# Sets llvms, one "LLVM VERSION" a line.
find_llvms()
{
	llvms=
	[ "$compiler" != gcc ] || return 0
	if [ -n "${LLVM:-}" ]; then
		plain LLVM "$LLVM"
		if check_llvm "$LLVM"; then
			llvms="$LLVM $llvm_version"
		else
			[ "$compiler" = any ] || die "LLVM=$LLVM is not usable, as $why: install that, or unset LLVM"
		fi
		return
	fi
	for _llvm in 1 -19 ${of_rustc:+"-$llvm_of_rustc"} -22 -21 -20 -18 -17; do
		if check_llvm "$_llvm"; then
			llvms="$llvms$_llvm $llvm_version
"
		elif command -v "$(llvm_tool "$_llvm" clang)" >/dev/null; then
			pass_over "LLVM=$_llvm: $why"
		fi
	done
	[ -n "$kdir" ] || return 0
	# Prefer the same clang; kbuild only warns about a different one.
	_exact=$(printf '%s' "$llvms" | while read -r _llvm _version; do
		[ "$("$(llvm_tool "$_llvm" clang)" --version | head -n 1)" != "$(conf "$kdir/include/config/auto.conf" CONFIG_CC_VERSION_TEXT)" ] || echo "$_llvm $_version"
	done)
	llvms=${_exact:-$llvms}
}

# A kernel build needs the source of rustc's library to build core. rustup's default
# installation lacks it, and is often first on PATH.
check_rustc()
{
	if [ -n "$kdir" ]; then
		_wanted=$(conf "$kdir/include/config/auto.conf" CONFIG_RUSTC_VERSION_TEXT)
		_have=$("$1" --version 2>/dev/null)
		why="it is '$_have', and $kdir was built with '$_wanted'"
		[ "$_have" = "$_wanted" ]
		return
	fi
	_version=$(version_of "$1")
	why="it is ${_version:-broken}, and $MIN_RUSTC or newer is needed"
	version_ok "$_version" "$MIN_RUSTC" || return
	why="the source of its library is not installed (package rust-src, or: rustup component add rust-src)"
	[ -f "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core/src/lib.rs" ]
}

find_rustc()
{
	rustc=
	if [ -n "${RUSTC:-}" ]; then
		plain RUSTC "$RUSTC"
		rustc=$(command -v "$RUSTC") || die "RUSTC=$RUSTC: there is no such program: mend the path, or unset RUSTC"
		check_rustc "$rustc" || die "RUSTC=$RUSTC is not usable: $why: set RUSTC to another, or unset it"
		return
	fi
	_ifs=$IFS
	IFS=:
	set -f
	_seen=:
	for _dir in $PATH /usr/bin "${HOME:-/root}/.cargo/bin"; do
		case $_dir in
		/*[[:space:]]* | [!/]* | '') continue ;;
		esac
		case $_seen in
		*":$_dir:"*) continue ;;
		esac
		_seen=$_seen$_dir:
		[ -x "$_dir/rustc" ] || continue
		if check_rustc "$_dir/rustc"; then
			rustc=$_dir/rustc
			break
		fi
		pass_over "$_dir/rustc: $why"
	done
	set +f
	IFS=$_ifs
}

# Sets bindgens, one "PATH VERSION" a line.
find_bindgens()
{
	bindgens=
	if [ -n "${BINDGEN:-}" ]; then
		plain BINDGEN "$BINDGEN"
		_bindgen=$(command -v "$BINDGEN") || die "BINDGEN=$BINDGEN: there is no such program: mend the path, or unset BINDGEN"
		_version=$(version_of "$_bindgen")
		version_ok "$_version" "$min_bindgen" ||
			die "BINDGEN=$BINDGEN is ${_version:-broken}, and $min_bindgen or newer is needed: set BINDGEN to another, or unset it"
		bindgens="$_bindgen $_version"
		return
	fi
	for _bindgen in "$(command -v bindgen)" "$CACHE/bindgen/bindgen" "$CACHE/bindgen-newer/bindgen"; do
		case $_bindgen in
		/*[[:space:]]* | '') continue ;;
		esac
		[ -x "$_bindgen" ] || continue
		_version=$(version_of "$_bindgen")
		if version_ok "$_version" "$min_bindgen"; then
			bindgens="$bindgens$_bindgen $_version
"
		else
			pass_over "$_bindgen: it is ${_version:-broken}, and $min_bindgen or newer is needed"
		fi
	done
}

# libclang_version DIR|FILE: the version in its file name.
libclang_version()
{
	for _file in "$1" "$1"/libclang-*.so* "$1"/libclang.so*; do
		case $_file in
		*/libclang-cpp*) continue ;;
		esac
		[ -f "$_file" ] || continue
		_version=$(readlink -f "$_file" | sed -n 's|.*/libclang-\([0-9][0-9.]*\)\.so.*|\1|p; s|.*/libclang\.so\.\([0-9][0-9.]*\)$|\1|p')
		if [ -n "$_version" ]; then
			echo "$_version"
			return
		fi
	done
	return 1
}

# Sets libclangs, one "DIR VERSION" a line.
find_libclangs()
{
	libclangs=
	if [ -n "${LIBCLANG_PATH:-}" ]; then
		plain LIBCLANG_PATH "$LIBCLANG_PATH"
		_version=$(libclang_version "$LIBCLANG_PATH") ||
			die "LIBCLANG_PATH=$LIBCLANG_PATH: there is no libclang: name the directory that holds it, or unset LIBCLANG_PATH"
		version_ok "$_version" "${MIN_LLVM%%.*}" ||
			die "LIBCLANG_PATH=$LIBCLANG_PATH is libclang $_version, and $MIN_LLVM or newer is needed: name another, or unset LIBCLANG_PATH"
		[ -z "$of_rustc" ] || [ "${_version%%.*}" = "$llvm_of_rustc" ] ||
			die "LIBCLANG_PATH=$LIBCLANG_PATH is libclang $_version, and rustc has LLVM $llvm_of_rustc: name another, or unset LIBCLANG_PATH"
		libclangs="$LIBCLANG_PATH $_version"
		return
	fi
	_own=$(printf '%s\n' "$llvms" | while read -r _llvm _; do
		[ -n "$_llvm" ] || continue
		_clang=$(readlink -f "$(command -v "$(llvm_tool "$_llvm" clang)")")
		echo "${_clang%/bin/*}/lib"
	done)
	for _dir in $_own /usr/lib/llvm-19/lib /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/local/lib; do
		_version=$(libclang_version "$_dir") || continue
		version_ok "$_version" "${MIN_LLVM%%.*}" || continue
		[ -z "$of_rustc" ] || [ "${_version%%.*}" = "$llvm_of_rustc" ] || continue
		libclangs="$libclangs$_dir $_version
"
	done
}

# known_bad BINDGEN_VERSION LIBCLANG_VERSION: says why if the two do not work together.
known_bad()
{
	! version_ok "$2" 22 || version_ok "$1" $BINDGEN_OF_LLVM_22 || echo "bindgen before $BINDGEN_OF_LLVM_22 loses fields of structures with libclang 22 or newer"
}

# choose same|any: prints the first set that fits, in the order of each list. With "same",
# libclang has clang's version.
choose()
{
	while read -r _llvm _llvm_version; do
		while read -r _bindgen _bindgen_version; do
			while read -r _libclang _libclang_version; do
				# An empty here-document still has one line.
				[ -n "$_libclang" ] || continue
				if [ "$1" = same ] && [ "$_llvm" != - ]; then
					[ "${_libclang_version%%.*}" = "${_llvm_version%%.*}" ] || continue
				fi
				[ -z "$(known_bad "$_bindgen_version" "$_libclang_version")" ] || continue
				echo "$_llvm $_llvm_version $_bindgen $_bindgen_version $_libclang $_libclang_version"
				return
			done <<-END
				$(printf '%s\n' "${libclangs:-"${kdir:+"- 0"}"}" | grep .)
			END
		done <<-END
			$(printf '%s\n' "${bindgens:-"- $min_bindgen"}" | grep .)
		END
	done <<-END
		$(printf '%s\n' "${llvms:-"- 0"}" | grep .)
	END
	return 1
}

find_rustc
llvm_of_rustc=
[ -z "$rustc" ] || llvm_of_rustc=$("$rustc" -vV 2>/dev/null | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
# Of which versions the others are, if that depends on rustc.
min_bindgen=$MIN_BINDGEN
llvm_needed="$MIN_LLVM or newer"
[ -z "$of_rustc" ] || llvm_needed="$llvm_of_rustc, as rustc has,"
[ -z "$of_rustc" ] || [ -z "$(known_bad "$min_bindgen" "${llvm_of_rustc:-0}")" ] || min_bindgen=$BINDGEN_OF_LLVM_22
if [ "$compiler" = none ]; then
	llvms='' bindgens='' libclangs=''
else
	find_llvms
	find_bindgens
	find_libclangs
fi
how="of clang's version"
set_of=$(choose same) || {
	how="of another version than clang, as there is none of clang's"
	set_of=$(choose any) || set_of=
}
# shellcheck disable=SC2086 # six words
set -- ${set_of:-- - - - - -}
llvm=$1 llvm_version=$2 bindgen=$3 bindgen_version=$4 libclang=$5 libclang_version=$6
[ "$libclang" != - ] || bindgen=-

bad=
if [ -z "$set_of" ] && [ -n "$bindgens" ] && [ -n "$libclangs" ]; then
	bad="$(printf '%s\n' "$bindgens" | sed -n '1s/ / is /p'), and libclang is$(printf '%s\n' "$libclangs" | sed -n 's/^\([^ ]*\) \(.*\)/ \2 (\1)/p' | tr '\n' ',' | sed 's/,$//'): bindgen before $BINDGEN_OF_LLVM_22 loses fields of structures with libclang 22 or newer"
	# Installing another one does not help if the user chose this one.
	if [ -n "${LIBCLANG_PATH:-}" ]; then
		die "LIBCLANG_PATH=$LIBCLANG_PATH does not fit: $bad: set it to an older one, or unset it"
	fi
fi

if [ "$mode" = missing ]; then
	[ -z "$cross" ] || command -v "${cross}gcc" >/dev/null || echo cross
	[ -n "$rustc" ] || echo rustc
	[ "$compiler" != none ] || exit 0
	# Without it the versions of the others are not known.
	[ -n "$rustc" ] || [ -z "$of_rustc" ] || exit 0
	_version=${of_rustc:+"-$llvm_of_rustc"}
	[ "$compiler" = gcc ] || [ -n "$llvms" ] || echo "llvm$_version"
	if [ -z "$bindgens" ]; then
		[ "$min_bindgen" = "$MIN_BINDGEN" ] && echo bindgen || echo "bindgen-$min_bindgen"
	fi
	[ -n "$set_of" ] || echo "libclang$_version"
	exit 0
fi

if [ -z "$rustc" ]; then
	[ -z "$kdir" ] ||
		die "$kdir was built with '$(conf "$kdir/include/config/auto.conf" CONFIG_RUSTC_VERSION_TEXT)', and that rustc is not here: install it or set RUSTC=, or build that kernel again"
	die "no rustc of version $MIN_RUSTC or newer with its library source: run scripts/setup.sh, or set RUSTC="
fi
# Modules for a finished kernel do not need bindgen.
if [ -z "$kdir" ] && [ "$compiler" != none ]; then
	[ -n "$bindgens" ] || die "no bindgen of version $min_bindgen or newer: run scripts/setup.sh, or set BINDGEN="
	[ -n "$set_of" ] || die "${bad:-"no libclang $llvm_needed for bindgen"}: run scripts/setup.sh, or set LIBCLANG_PATH="
fi
if [ -n "$cross" ] && ! command -v "${cross}gcc" >/dev/null; then
	die "there is no ${cross}gcc, which builds for $arch: run scripts/setup.sh, or install the package $(arch "$arch" CROSS_PACKAGE)"
fi
if [ "$compiler" = clang ] && [ -z "$llvms" ]; then
	die "${kdir:-this kernel} needs clang, lld and llvm of version ${llvm_needed%,}: run scripts/setup.sh, or set LLVM="
fi

if [ "$mode" = explain ]; then
	_why="the first on PATH that fits"
	[ -z "$kdir" ] || _why="the one that $kdir was built with"
	[ -z "${RUSTC:-}" ] || _why="as RUSTC says"
	echo "rustc $(version_of "$rustc") (LLVM ${llvm_of_rustc:-unknown}): $rustc, $_why"
	if [ "$bindgen" != - ]; then
		_why="new enough"
		[ -z "${BINDGEN:-}" ] || _why="as BINDGEN says"
		echo "bindgen $bindgen_version: $bindgen, $_why"
		[ "$llvm" != - ] || how="which fits bindgen"
		[ -z "${LIBCLANG_PATH:-}" ] || how="as LIBCLANG_PATH says"
		echo "libclang $libclang_version: $libclang, $how"
	fi
	if [ "$llvm" != - ]; then
		_why="the first that fits"
		[ -z "$of_rustc" ] || _why="of the LLVM that rustc has"
		[ -z "${LLVM:-}" ] || _why="as LLVM says"
		echo "clang $llvm_version: LLVM=$llvm, $_why"
	fi
	[ -z "$cross" ] || echo "${cross}gcc $("${cross}gcc" -dumpfullversion): builds for $arch"
	printf '%s\n' "$passed_over" | grep .
	exit 0
fi

if [ -n "$cross" ]; then
	echo "ARCH=$(arch "$arch" KBUILD)"
	[ "$compiler" = clang ] || echo "CROSS_COMPILE=$cross"
fi
[ "$llvm" = - ] || echo "LLVM=$llvm"
echo "RUSTC=$rustc"
echo "HOSTRUSTC=$rustc"
if [ "$bindgen" != - ]; then
	echo "BINDGEN=$bindgen"
	echo "LIBCLANG_PATH=$libclang"
fi
# These have to match the compiler's version, so take them from its directory.
bin=$(dirname "$rustc")
for tool in RUSTDOC=rustdoc RUSTFMT=rustfmt CLIPPY_DRIVER=clippy-driver; do
	[ -x "$bin/${tool#*=}" ] && echo "${tool%%=*}=$bin/${tool#*=}"
done
exit 0
