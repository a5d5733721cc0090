#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: setup.sh [--lint|--trace|--bench|--distro|--upstream|--metadata|--proofs|--model|--check] [NAME]
#
# Installs what this machine lacks to build and boot the kernel NAME (default: fast). With
# --lint, --trace, --bench, --distro or --upstream it also installs what that target of
# make needs; with --metadata, --proofs or --model only what that target needs. It looks
# for the programs and files themselves, says which packages it installs and why, and does
# nothing if nothing is missing. With --lacking-metadata it only prints what --metadata
# would install. With --check it prints what is missing, as PACKAGE, tab and WHY, and
# checks whether it could install that, without changing the machine.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

lint=
trace=
bench=
distro=
upstream=
metadata=
proofs=
model=
only_list=
only_check=
case ${1:-} in
--lint) lint=yes ;;
--trace) trace=yes ;;
--bench) bench=yes ;;
--distro) distro=yes ;;
--upstream) upstream=yes ;;
--metadata) metadata=yes ;;
--proofs) proofs=yes ;;
--model) model=yes ;;
--lacking-metadata)
	metadata=yes
	only_list=yes
	;;
--check) only_check=yes ;;
esac
case ${1:-} in
--*) shift ;;
esac
need_host
options=$("$TOP/scripts/kernel-options.sh" "${1:-fast}") || exit 1
arch=$(arch_of "${1:-fast}")
cross=$(cross "$arch")
compiler=$(printf '%s\n' "$options" | compiler_of -)
# toolbox.sh provides the compilers of a packaged kernel without installing them.
package=$(kernel_package "${1:-fast}")
[ -z "$metadata$proofs$model$package" ] || compiler=none

wants=

# want PACKAGE WHY TEST...: asks for PACKAGE unless TEST succeeds.
want()
{
	_package=$1
	_why=$2
	shift 2
	"$@" >/dev/null 2>&1 || wants="$wants$_package	$_why
"
}

has()
{
	command -v "$1"
}

header()
{
	[ -f "/usr/include/$1" ]
}

# The guest has no shared libraries, so its busybox has to be static.
static_busybox()
{
	has busybox && ! ldd "$(command -v busybox)"
}

beside_rustc()
{
	"$TOP/scripts/toolchain.sh" none 2>/dev/null | grep "^$1="
}

# The programs of the guest are static.
cross_libc()
{
	[ -f "$("${cross}gcc" -print-file-name=libc.a)" ]
}

has_cargo()
{
	has cargo || has "${HOME:-/root}/.cargo/bin/cargo"
}

# web: what the names of Rust's packages have in them where only those are new enough.
web()
{
	version_ok "$(offered rustc)" "$MIN_RUSTC" || echo -web
}

want_rustc()
{
	_web=$(web)
	want "rustc$_web" "compiles Rust${_web:+, in the version that the kernel asks for}" false
	want "rust$_web-src" "the library that the kernel builds for itself" false
}

list()
{
	wants=
	want python3 "runs the harness" has python3
	want xz-utils "unpacks the kernel tree" has xz
	want util-linux "keeps two runs apart" has flock
	[ -z "$proofs" ] || return 0
	if [ -n "$model" ]; then
		want gcc "links programs" has gcc
		want libc6-dev "what they are linked with" header stdlib.h
		lacking=$("$TOP/scripts/toolchain.sh" --missing none) || exit 1
		[ -z "$lacking" ] || want_rustc
		want "cargo$(web)" "builds the model of the kernel" has_cargo
		return
	fi
	if [ -z "$metadata" ]; then
		want "$(arch "$arch" QEMU_PACKAGE)" "boots the guest" has "$(arch "$arch" QEMU)"
		want busybox-static "the guest's user space" static_busybox
		[ -z "$cross" ] || want "$(arch "$arch" LIBC_PACKAGE)" "programs of the guest are linked with it" cross_libc
		want rsync "kselftest installs tests with it" has rsync
	fi
	want make "drives the builds" has make
	want flex "builds the kernel's configuration tool" has flex
	want bison "builds the kernel's configuration tool" has bison
	want bc "computes the kernel's timer constants" has bc
	want gcc "compiles C" has gcc
	want libelf-dev "objtool, a part of the kernel build, reads ELF files" header gelf.h
	want libc6-dev "programs that run during the kernel build" header stdlib.h
	if [ "$compiler" = none ]; then
		want libssl-dev "programs for signatures, a part of the kernel build" header openssl/opensslv.h
		lacking=
	else
		lacking=$("$TOP/scripts/toolchain.sh" --missing "$compiler" "$arch") || exit 1
	fi
	for _lacking in $lacking; do
		case $_lacking in
		cross) want "$(arch "$arch" CROSS_PACKAGE)" "compiles C for the guest" false ;;
		llvm*)
			_suffix=${_lacking#llvm}
			[ -n "$_suffix" ] || version_ok "$(offered clang)" "$MIN_LLVM" || _suffix=-19
			want "clang$_suffix" "compiles the kernel's C" false
			want "lld$_suffix" "links the kernel" false
			want "llvm$_suffix" "binary tools for the kernel build" false
			;;
		rustc) want_rustc ;;
		bindgen*)
			_version=${_lacking#bindgen}
			_version=${_version#-}
			if version_ok "$(offered bindgen)" "${_version:-$MIN_BINDGEN}"; then
				want bindgen "makes the kernel's C headers known to Rust" false
			fi
			;;
		libclang*)
			_suffix=${_lacking#libclang}
			want "libclang1${_suffix:--19}" "bindgen reads C with it, and works with this version" false
			;;
		esac
	done
	[ -z "$trace" ] || want trace-cmd "makes a file that KernelShark opens" has trace-cmd
	# Ask the distribution's Python, which need not be the first on PATH.
	[ -z "$bench" ] || want python3-matplotlib "draws the plots" /usr/bin/python3 -c 'import matplotlib'
	[ -z "$distro" ] || want debootstrap "makes the root of another release" [ -x /usr/sbin/debootstrap ]
	[ -z "$upstream" ] || want patch "applies the patches to a copy of the tree" has patch
	[ -n "$lint" ] || return 0
	_web=$(web)
	want shellcheck "checks the shell scripts" has shellcheck
	want shfmt "checks their format" has shfmt
	want "rustfmt$_web" "checks the format of the Rust code" beside_rustc RUSTFMT
	want "rust$_web-clippy" "checks the Rust code" beside_rustc CLIPPY_DRIVER
	want git "makes patches" has git
	want mypy "checks the types of the Python code" /usr/bin/python3 -c 'import mypy'
	want python3-flake8 "checks the rest of it" /usr/bin/python3 -c 'import flake8'
	want codespell "finds typing errors" /usr/bin/python3 -c 'import codespell_lib'
	want python3-editorconfig "reads .editorconfig" /usr/bin/python3 -c 'import editorconfig'
	want perl "runs the kernel's checkpatch" perl -MTerm::ANSIColor -MEncode -e 1
}

names()
{
	printf %s "$wants" | cut -f 1 | tr '\n' ' '
}

list
[ -z "$only_check$only_list" ] || printf %s "$wants"
[ -z "$only_list" ] || exit 0
check_cache
log=$CACHE/setup.log
if [ -n "$wants" ]; then
	by_hand="as root, run: apt-get install --no-install-recommends $(names)"
	command -v apt-get >/dev/null ||
		die "something is missing, and this only knows Debian's apt-get: install the content of these Debian packages by hand: $(names)"
	need_writable
	need_space /var/cache/apt 1500 "installing packages"
	if [ -n "$only_check" ]; then
		can_be_root "to install packages" "$by_hand"
		check_mirror "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" "packages from; $by_hand"
		exit
	fi
	make_cache
	become_root "to install packages" "$by_hand"
	start=$(date +%s)
	say "set-up: something is missing; fetching the package indexes"
	failed=
	apt_get "set-up: fetching the package indexes" "$log" update -o APT::Update::Error-Mode=any ||
		failed=$(apt_error "$log")

	# Some package names depend on which versions apt offers.
	list
	if [ -n "$failed" ]; then
		# shellcheck disable=SC2046 # the names are words
		refused=$(not_on_offer $(names) | tr '\n' ' ')
		[ -z "$refused" ] ||
			die "apt-get update failed: $failed: check the network and the machine's package sources, which do not offer $refused; the log: $log"
		say "set-up: apt-get update failed in part ($failed); going on, as all packages are available"
	fi
	names=
	# Once rustc is there, its LLVM is known, and a clang of the same one may be wanted.
	while [ -n "$wants" ]; do
		[ "$(names)" != "$names" ] || die "still missing after installing $names; the log: $log"
		names=$(names)
		say "set-up: will install:"
		printf %s "$wants" | sed 's/^\([^	]*\)	\(.*\)/  \1: \2/' >&2
		# shellcheck disable=SC2086 # the names are words
		apt_get "set-up: installing" "$log" -y --no-install-recommends install $names ||
			die "apt-get install failed: $(apt_error "$log")${failed:+ (and apt-get update failed before: $failed)}; the log: $log"
		list
	done
	# Record the time only for the packages that everybody needs.
	[ -n "$lint$trace$bench$distro$upstream$metadata$proofs$model$package" ] || took setup $(($(date +%s) - start))
	say "set-up: installed"
fi

[ "$compiler" != none ] || exit 0
for word in $lacking; do
	case $word in
	bindgen*)
		version=${word#bindgen}
		"$TOP/scripts/bindgen.sh" ${only_check:+--check} ${version:+"${version#-}"} || exit 1
		;;
	esac
done
[ -z "$cross" ] || "$TOP/scripts/busybox.sh" ${only_check:+--check} "$arch"
