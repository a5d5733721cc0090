#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: what the caller's environment holds beside the documented variables
# changes nothing that the lab's commands say or build.

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. "$top/tests/lib/tree.sh"
fake_tree "$work/tree"
fake_lab "$work/lab"
real_setup "$work/lab"
cd "$work/lab" || exit 1

mkdir "$work/evil"
echo 'raise SystemExit("the module json of the caller")' >"$work/evil/json.py"
echo 'echo "a file of the caller"; exit 9' >"$work/evil/env"
# shellcheck disable=SC2016 # make expands it
echo '$(error a makefile of the caller)' >"$work/evil/env.mk"

# hostile COMMAND...: runs it with each variable set that a program of the lab knows, to
# something that steers or breaks it.
# shellcheck disable=SC2317 # lab calls it
hostile()
{
	for _name in AR AS CC CXX LD NM CPP STRIP OBJCOPY OBJDUMP READELF PAHOLE HOSTCC HOSTCXX HOSTLD HOSTRUSTC RUSTDOC \
		RUSTFMT CLIPPY_DRIVER RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO PAGER EDITOR SHELL MAKE PERL PYTHON3 AWK; do
		set -- "$_name=/bin/false" "$@"
	done
	for _name in CFLAGS CPPFLAGS CXXFLAGS LDFLAGS KCFLAGS KAFLAGS KCPPFLAGS KRUSTFLAGS HOSTCFLAGS HOSTLDFLAGS \
		HOSTRUSTFLAGS CFLAGS_MODULE CFLAGS_KERNEL RUSTFLAGS RUSTFLAGS_MODULE RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS \
		BINDGEN_EXTRA_CLANG_ARGS CCC_OVERRIDE_OPTIONS GREP_OPTIONS TAR_OPTIONS XZ_OPT XZ_DEFAULTS GZIP LESS \
		PERL5OPT GNUMAKEFLAGS MAKEFLAGS MFLAGS; do
		set -- "$_name=--bad" "$@"
	done
	for _name in ARCH SUBARCH M MO O KBUILD_OUTPUT KBUILD_EXTMOD KBUILD_EXTMOD_OUTPUT KBUILD_SRC KCONFIG_CONFIG \
		KCONFIG_ALLCONFIG KBUILD_EXTRA_SYMBOLS INSTALL_HDR_PATH GCC_EXEC_PREFIX COMPILER_PATH CPATH C_INCLUDE_PATH \
		LIBRARY_PATH LD_LIBRARY_PATH LD_RUN_PATH CLANG_PATH LLVM_CONFIG_PATH RUST_TARGET_PATH CARGO_HOME \
		RUSTUP_TOOLCHAIN PYTHONHOME APT_CONFIG DPKG_ROOT DPKG_ADMINDIR GIT_DIR GIT_WORK_TREE GCONV_PATH LOCPATH \
		NLSPATH AWKPATH CCACHE_DIR CCACHE_PREFIX QEMU_MODULE_DIR TERMINFO XDG_CONFIG_HOME; do
		set -- "$_name=$work/evil/none" "$@"
	done
	env "$@"
}

# both NAME COMMAND...: what it says and its status, with and without.
both()
{
	_what=$1
	shift
	lab "$@" >"$work/clean" 2>&1
	echo "status $?" >>"$work/clean"
	lab hostile PYTHONPATH="$work/evil" PYTHONSAFEPATH=1 PYTHONOPTIMIZE=2 PYTHONWARNINGS=error PYTHONIOENCODING=ascii \
		PYTHONVERBOSE=1 CDPATH=.:/tmp ENV="$work/evil/env" BASH_ENV="$work/evil/env" IFS=/ POSIXLY_CORRECT=1 \
		MAKEFILES="$work/evil/env.mk" MAKELEVEL=7 MAKEOVERRIDES=x CROSS_COMPILE=none- W=e C=2 LOCALVERSION=-evil \
		KBUILD_VERBOSE=2 RUSTC_BOOTSTRAP=0 RUST_LOG=trace SOURCE_DATE_EPOCH=1 TZ=Pacific/Kiritimati BLOCK_SIZE=1G \
		DF_BLOCK_SIZE=human-readable BLOCKSIZE=1M QUOTING_STYLE=c LS_COLORS=bad TIME_STYLE=+%s LC_ALL="$locale" \
		LANG="$locale" LANGUAGE=de:tr LC_MESSAGES="$locale" LC_NUMERIC="$locale" GREP_COLORS=mt=41 LAB_DOOR=1 \
		TOP=/nonexistent CACHE=/nonexistent KEPT=PATH prepare=false run=false own=--bad guest=--bad name=x src=x out=x \
		DEBIAN_FRONTEND=readline QEMU_AUDIO_DRV=bad "$@" >"$work/hostile" 2>&1
	echo "status $?" >>"$work/hostile"
	ktap_eq "$_what" '' "$(diff "$work/clean" "$work/hostile")"
}

# The kernel is built anew each time, and its key must not change.
build()
{
	lab rm -rf "$work/cache"
	lab "$@" >"$work/log" 2>&1
	(cd "$work/cache/rust-kthread-demo/kernels" && echo fast-* && cat "$work/tree/environment" fast-*/.config)
}

ktap_plan 13
# With a comma in its numbers, and an i of its own.
locale=tr_TR.UTF-8
lab scripts/prepare.sh fast >"$work/log" 2>&1 || ktap_bail "nothing is built: $(cat "$work/log")"
both 'help' scripts/help.sh
both 'options of a kernel' scripts/kernel-options.sh debug
both 'kernel tree' scripts/kernel-source.sh
both 'tools' scripts/toolchain.sh
both 'what lacks' scripts/setup.sh --list
both 'whether a kernel is built' scripts/build-kernel.sh --is-built fast
both 'a kernel build is told apart' scripts/check-kdir.sh /nonexistent
both 'and a real one is' scripts/check-kdir.sh "$top/build/$KERNEL/kernel"
both 'a module' scripts/build-module.sh fast . build/fast/module
both 'Python' scripts/run.sh python3 -c 'import json, locale, sys; print(sys.flags, locale.getlocale(), "\u2019")'
both 'the environment of all' scripts/run.sh env

clean=$(build scripts/build-kernel.sh fast)
ktap_eq 'what a kernel is built with, and its key' "$clean" "$(build hostile LC_ALL=de_DE.UTF-8 scripts/build-kernel.sh fast)"
ktap_eq 'tools that are named reach no build by themselves' "$(printf '%s\n' "$clean" | sed 1d)" \
	"$(LLVM=${LLVM:--19} build hostile scripts/build-kernel.sh fast | sed 1d)"
[ -z "$clean" ] && ktap_bail 'no kernel was built'
ktap_finished
