#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: toolbox.sh [--check] CONFIG
#
# Prints make variables that name the compilers of a Debian kernel with the configuration
# CONFIG. If this machine has all of them in exactly these versions, they are its own.
# Otherwise they come from a suite that has them, unpacked into the cache with all their
# dependencies, including libc. Installs nothing. With --check it fetches nothing, and its
# status says whether it could.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

only_check=
if [ "${1:-}" = --check ]; then
	only_check=yes
	shift
fi
config=${1:?usage: toolbox.sh [--check] CONFIG}
SUITES="trixie forky sid experimental"

need_arch x86_64
check_cache

cc=$(conf "$config" CONFIG_CC_VERSION_TEXT)
rustc=$(conf "$config" CONFIG_RUSTC_VERSION_TEXT)
bindgen=$(conf "$config" CONFIG_BINDGEN_VERSION_TEXT)
ld=$(conf "$config" CONFIG_LD_VERSION)
pahole=$(conf "$config" CONFIG_PAHOLE_VERSION)
case $cc in
*gcc*) ;;
*) die "the kernel was built with '$cc', and this only knows Debian's gcc: use the lab's own kernels" ;;
esac
# The first word is the command, as in x86_64-linux-gnu-gcc-14.
gcc=${cc%% *}
gcc_package=$(printf '%s\n' "$gcc" | sed 's/^x86_64-linux-gnu-\(gcc-[0-9]*\)$/\1-x86-64-linux-gnu/')
gcc_version=$(printf '%s\n' "$cc" | sed -n 's/.*(Debian \([^)]*\)).*/\1/p')
rustc_version=$(printf '%s\n' "$rustc" | cut -d ' ' -f 2)
bindgen_version=${bindgen#* }
if [ -z "$gcc_version" ] || [ "$gcc_package" = "$gcc" ]; then
	die "the kernel was built with '$cc', which is not a gcc of Debian: use the lab's own kernels"
fi
llvm=$(conf "$config" CONFIG_RUSTC_LLVM_MAJOR_VERSION)

# dotted NUMBER DIGITS: 130 with 2 DIGITS is 1.30, and 24400 with 4 is 2.44.
dotted()
{
	case $2 in
	2) echo "$(($1 / 100)).$(($1 % 100))" ;;
	4) echo "$(($1 / 10000)).$(($1 / 100 % 100))" ;;
	esac
}

# fits NAME HAVE WANTED: adds a mismatch to $lacking.
fits()
{
	[ "$2" = "$3" ] || lacking="$lacking; $1 is '${2:-not there}', not '$3'"
}

# check BIN LIB: whether these are the programs that the kernel was built with.
check()
{
	lacking=
	fits gcc "$("$1/$gcc" --version 2>/dev/null | head -n 1)" "$cc"
	fits rustc "$("$1/rustc" --version 2>/dev/null)" "$rustc"
	fits bindgen "$("$1/bindgen" --version 2>/dev/null)" "$bindgen"
	fits ld "$(version_of "$1/x86_64-linux-gnu-ld" | cut -d . -f 1,2)" "$(dotted "$ld" 4)"
	fits pahole "$(version_of "$1/pahole")" "$(dotted "$pahole" 2)"
	[ -d "$2/llvm-$llvm/lib" ] || lacking="$lacking; there is no libclang $llvm"
	[ -n "$lacking" ] || [ -f "$("$1/rustc" --print sysroot)/lib/rustlib/src/rust/library/core/src/lib.rs" ] ||
		lacking="; the source of rustc's library is not there"
	lacking=${lacking#; }
	[ -z "$lacking" ]
}

# tell DIR LIBRARIES
tell()
{
	echo "CC=$1/$gcc"
	for _tool in LD=ld AR=ar NM=nm OBJCOPY=objcopy OBJDUMP=objdump READELF=readelf STRIP=strip; do
		echo "${_tool%%=*}=$1/x86_64-linux-gnu-${_tool#*=}"
	done
	echo "RUSTC=$1/rustc"
	echo "HOSTRUSTC=$1/rustc"
	echo "RUSTDOC=$1/rustdoc"
	echo "BINDGEN=$1/bindgen"
	echo "PAHOLE=$1/pahole"
	echo "LIBCLANG_PATH=$2/llvm-$llvm/lib"
}

if check /usr/bin /usr/lib; then
	tell /usr/bin /usr/lib
	exit
fi

key=$(printf '%s\n' "$cc" "$rustc" "$bindgen" "$ld" "$pahole" "$llvm" | hash_of)
box=$CACHE/toolbox/$key

whole()
{
	[ -f "$box/whole" ] && check "$box/bin" "$box/root/usr/lib"
}

if whole; then
	touch "$box/used" 2>/dev/null || :
	tell "$box/bin" "$box/root/usr/lib"
	exit
fi
need_writable
need_space "$CACHE" 1800 "the compilers of that kernel"
check_mirror "${SUITES%% *}" "the compilers of that kernel from; or install $gcc, rustc $rustc_version, rust-src, bindgen $bindgen_version and pahole"
[ -z "$only_check" ] || exit 0
make_cache
mkdir -p "$box"
lock "$box/lock" "compilers"
if whole; then
	tell "$box/bin" "$box/root/usr/lib"
	exit
fi

# has_version PACKAGE PATTERN
has_version()
{
	for _version in $(debian_versions "$1"); do
		# shellcheck disable=SC2254 # it is a pattern
		case $_version in
		$2)
			echo "$1=$_version"
			return
			;;
		esac
	done
	return 1
}

packages=
for suite in $SUITES; do
	debian_has_suite "$suite" "" || continue
	packages="$(has_version "$gcc_package" "$gcc_version") $(has_version rustc "$rustc_version+*") $(has_version rust-src "$rustc_version+*") $(has_version bindgen "$bindgen_version-*") $(has_version pahole "$(dotted "$pahole" 2)-*")" && break
	packages=
done
case $packages in
*gcc*rustc*rust-src*bindgen*pahole*) ;;
*) die "no suite of $SUITES has the compilers that the kernel was built with ($cc; $rustc; $bindgen; pahole $(dotted "$pahole" 2)): upgrade the kernel, whose compilers are gone, or use the lab's own kernels" ;;
esac

say "compilers: fetching those of the kernel from $suite into the cache: $packages"
rm -rf "${box:?}/root" "${box:?}/bin" "$box/archives" "$box/whole"
mkdir -p "$box/archives/partial" "$box/root" "$box/bin"
: >"$box/status"

fetched()
{
	du -sk "$box/archives" "$box/root" | awk '{ n += $1 } END { print n }'
}

# With an empty status file apt also fetches all dependencies, including libc. The kernel's
# configuration also depends on openssl.
progress_start "compilers: fetching and unpacking" 1300000 fetched
# shellcheck disable=SC2086 # words
LC_ALL=C APT_CONFIG=$APT/apt.conf apt-get -q -y -o Dir::State::status="$box/status" \
	-o Dir::Cache::archives="$box/archives" -o Debug::NoLocking=1 --no-install-recommends --download-only \
	install $packages openssl >"$APT/log" 2>&1 || die "the compilers could not be fetched: $(debian_error) (all of it: $APT/log)"
for package in "$box"/archives/*.deb; do
	case ${package##*/} in
	# bindgen's package depends on LLVM's headers and static libraries, but does not need them.
	libclang-[0-9]*-dev_* | libclang-dev_*) continue ;;
	esac
	dpkg-deb --fsys-tarfile "$package" | tar -C "$box/root" --exclude=./usr/share/doc --exclude=./usr/share/man \
		--exclude=./usr/share/locale --exclude='*/libasan*' --exclude='*/lib?san*' --exclude='*/libubsan*' -xf - ||
		die "failed to unpack ${package##*/} in $box"
	rm -f "$package"
done
rm -rf "$box/archives"
progress_stop

# wrap NAME PROGRAM [ARGUMENT]: makes a script that runs it with its own libc.
wrap()
{
	mkdir -p "$box/bin/$(dirname "$1")"
	cat >"$box/bin/$1" <<-EOF
		#!/bin/sh
		exec $box/root/usr/lib64/ld-linux-x86-64.so.2 --argv0 $2 --library-path \\
			$box/root/usr/lib/x86_64-linux-gnu:$box/root/usr/lib/llvm-$llvm/lib $2 ${3:-} "\$@"
	EOF
	chmod +x "$box/bin/$1"
}

usr=$box/root/usr
[ -x "$usr/lib64/ld-linux-x86-64.so.2" ] || {
	mkdir -p "$usr/lib64"
	ln -s "$(find "$box/root" -name 'ld-linux-x86-64.so.2' | head -n 1)" "$usr/lib64/ld-linux-x86-64.so.2"
}
# The gcc driver finds its other programs with -B.
wrap "$gcc" "$usr/bin/$gcc" "-B$box/bin/driver/"
for program in "$usr"/libexec/gcc/x86_64-linux-gnu/*/cc1 "$usr"/libexec/gcc/x86_64-linux-gnu/*/collect2 \
	"$usr"/libexec/gcc/x86_64-linux-gnu/*/lto-wrapper; do
	wrap "driver/${program##*/}" "$program"
done
for program in as ld ld.bfd; do
	wrap "driver/$program" "$usr/bin/x86_64-linux-gnu-$program"
done
for program in ar as ld ld.bfd nm objcopy objdump ranlib readelf strip; do
	wrap "x86_64-linux-gnu-$program" "$usr/bin/x86_64-linux-gnu-$program"
done
for program in rustc rustdoc bindgen pahole openssl; do
	wrap "$program" "$usr/bin/$program"
done
check "$box/bin" "$usr/lib" ||
	die "the compilers from $suite do not work here ($lacking): install them, or use the lab's own kernels"
echo "$suite" >"$box/whole"
say "compilers: those of $suite are in $box"
tell "$box/bin" "$usr/lib"
