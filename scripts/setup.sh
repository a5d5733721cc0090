#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: setup.sh [--lint|--trace|--bench|--list] [NAME]
#
# Installs what this machine lacks to build and boot the kernel NAME (fast by
# default), and with --lint, --trace or --bench also what only that target of make needs.
# Looks for the programs and files themselves,
# says which packages it takes and why, and does nothing where all is there.
# With --list it only prints what is missing, PACKAGE and WHY with a tab between.

. "$(dirname "$0")/lib.sh"

lint=
trace=
bench=
only_list=
case ${1:-} in
--lint) lint=yes ;;
--trace) trace=yes ;;
--bench) bench=yes ;;
--list) only_list=yes ;;
esac
case ${1:-} in
--*) shift ;;
esac
options=$("$TOP/scripts/kernel-options.sh" "${1:-fast}") || exit 1

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

# busybox is the whole user space of the guest, where no shared library is.
static_busybox()
{
	has busybox && ! ldd "$(command -v busybox)"
}

libclang()
{
	find /usr/lib/llvm-*/lib \( -name 'libclang-1[7-9].so*' -o -name 'libclang-2[0-9].so*' \) 2>/dev/null | grep .
}

beside_rustc()
{
	"$TOP/scripts/toolchain.sh" 2>/dev/null | grep "^$1="
}

# The newest version of a package that the machine's own apt offers.
offered()
{
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9]*:\)\{0,1\}\([0-9].*\)$/\2/p'
}

list()
{
	wants=
	want qemu-system-x86 "boots the guest" has qemu-system-x86_64
	want busybox-static "the guest's user space" static_busybox
	want make "drives the builds" has make
	want flex "builds the kernel's configuration tool" has flex
	want bison "builds the kernel's configuration tool" has bison
	want bc "computes the kernel's timer constants" has bc
	want gcc "compiles C" has gcc
	want libelf-dev "objtool, a part of the kernel build, reads ELF files" header gelf.h
	want libc6-dev "programs that run during the kernel build" header stdlib.h
	want python3 "runs the harness" has python3
	want xz-utils "unpacks the kernel tree" has xz
	want util-linux "keeps two runs apart" has flock
	want rsync "kselftest installs tests with it" has rsync
	for _lacking in $("$TOP/scripts/toolchain.sh" --missing); do
		case $_lacking in
		llvm)
			! printf '%s\n' "$options" | built_with_gcc - || continue
			_suffix=
			version_ok "$(offered clang)" "$MIN_LLVM" || _suffix=-19
			want "clang$_suffix" "compiles the kernel's C" false
			want "lld$_suffix" "links the kernel" false
			want "llvm$_suffix" "binary tools for the kernel build" false
			;;
		rustc)
			if version_ok "$(offered rustc)" "$MIN_RUSTC"; then
				want rustc "compiles Rust" false
				want rust-src "the library that the kernel builds for itself" false
			else
				want rustc-web "compiles Rust, in the version that the kernel asks for" false
				want rust-web-src "the library that the kernel builds for itself" false
			fi
			;;
		bindgen)
			if version_ok "$(offered bindgen)" "$MIN_BINDGEN"; then
				want bindgen "makes the kernel's C headers known to Rust" false
			else
				want libclang1-19 "bindgen reads C with it" libclang
			fi
			;;
		esac
	done
	[ -z "$trace" ] || want trace-cmd "makes a file that KernelShark opens" has trace-cmd
	# The distribution's Python, which need not be the first on PATH.
	[ -z "$bench" ] || want python3-matplotlib "draws the plots" /usr/bin/python3 -c 'import matplotlib'
	[ -n "$lint" ] || return 0
	_web=
	version_ok "$(offered rustc)" "$MIN_RUSTC" || _web=-web
	want shellcheck "checks the shell scripts" has shellcheck
	want "rustfmt$_web" "checks the format of the Rust code" beside_rustc RUSTFMT
	want "$([ -n "$_web" ] && echo rust-web-clippy || echo rust-clippy)" "checks the Rust code" beside_rustc CLIPPY_DRIVER
	want perl "runs the kernel's checkpatch" perl -MTerm::ANSIColor -MEncode -e 1
}

nothing()
{
	echo 0
}

list
if [ -n "$only_list" ]; then
	printf %s "$wants"
	exit
fi
make_cache
log=$CACHE/setup.log
if [ -n "$wants" ]; then
	names=$(printf %s "$wants" | cut -f 1 | tr '\n' ' ')
	command -v apt-get >/dev/null ||
		die "missing, and only Debian's apt-get is known here; install by hand what these packages of Debian hold: $names"
	root=
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "root is needed to install packages, and there is no sudo: as root, run: apt-get install --no-install-recommends $names"
		root=sudo
	fi
	start=$(date +%s)
	need_space /var/cache/apt 1500 "installing packages"
	say "set-up: something is missing; fetching the package indexes"
	progress_start "set-up: fetching the package indexes" 0 nothing
	$root apt-get -q update -o APT::Update::Error-Mode=any >"$log" 2>&1 ||
		die "apt-get update failed: $(sed -n 's/^[EW]: *//p' "$log" | head -n 1): check the network and the machine's package sources; the log: $log"
	progress_stop

	# What is on offer decides between some of the names.
	list
	names=$(printf %s "$wants" | cut -f 1 | tr '\n' ' ')
	say "set-up: will install:"
	printf %s "$wants" | sed 's/^\([^	]*\)	\(.*\)/  \1: \2/' >&2
	progress_start "set-up: installing" 0 nothing
	# shellcheck disable=SC2086 # the names are words
	$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 install $names </dev/null >>"$log" 2>&1 ||
		die "apt-get install failed: $(sed -n 's/^E: *//p' "$log" | head -n 1); the log: $log"
	progress_stop
	list
	[ -z "$wants" ] ||
		die "still missing after installing $names: $(printf %s "$wants" | cut -f 1 | tr '\n' ' '); the log: $log"
	# What only one target needs is not part of what everybody waits for.
	[ -n "$lint$trace$bench" ] || took setup $(($(date +%s) - start))
	say "set-up: installed"
fi

if "$TOP/scripts/toolchain.sh" --missing | grep -qx bindgen; then
	"$TOP/scripts/bindgen.sh"
fi
