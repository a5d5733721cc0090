#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: undocumented variables in the caller's environment do not change the
# output or the builds of the lab's commands.
#
# ksft-kernel: any

KERNEL=${1:-${KERNEL:-fast}}
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

# Directories that usually do not exist have files of the caller here.
hostile=$(sed "/^#/d; s|/nowhere\>|$work/evil|g" "$top/tests/lib/hostile.env")

# hostile COMMAND...: runs it with every variable that a program of the lab reads set to a
# value that affects or breaks it.
# shellcheck disable=SC2317 # lab calls it
hostile()
{
	_ifs=$IFS
	IFS='
'
	# shellcheck disable=SC2086 # one word a line
	set -- $hostile "$@"
	IFS=$_ifs
	env "$@"
}

# both NAME COMMAND...: its output and status are equal with and without these variables.
both()
{
	_what=$1
	shift
	lab "$@" >"$work/clean" 2>&1
	echo "status $?" >>"$work/clean"
	lab hostile LC_ALL="$locale" LANG="$locale" LANGUAGE=de:tr LC_MESSAGES="$locale" LC_NUMERIC="$locale" \
		"$@" >"$work/hostile" 2>&1
	echo "status $?" >>"$work/hostile"
	# Ignore the free space, as others write to that disk.
	sed -i 's/[0-9]* MiB free/N MiB free/' "$work/clean" "$work/hostile"
	ktap_eq "$_what" '' "$(diff "$work/clean" "$work/hostile")"
}

# Each run builds the kernel again, and its key must not change.
build()
{
	lab rm -rf "$work/cache"
	lab "$@" >"$work/log" 2>&1
	(cd "$work/cache/rust-kthread-demo/kernels" && echo fast-* && cat "$work/tree/environment" fast-*/.config)
}

ktap_plan 15
# A locale with a decimal comma and a different letter i.
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
both 'what lacks on this machine' scripts/doctor.sh /nonexistent fast
both 'Python' scripts/run.sh python3 -c 'import json, locale, sys; print(sys.flags, locale.getlocale(), "\u2019")'
both 'the environment of all' scripts/run.sh env

clean=$(build scripts/build-kernel.sh fast)
ktap_eq 'what a kernel is built with, and its key' "$clean" "$(build hostile LC_ALL=de_DE.UTF-8 scripts/build-kernel.sh fast)"
ktap_eq 'tools that are named reach no build by themselves' "$(printf '%s\n' "$clean" | sed 1d)" \
	"$(LLVM=${LLVM:--19} build hostile scripts/build-kernel.sh fast | sed 1d)"

# In this checkout, as a guest needs a real kernel.
# shellcheck disable=SC2317 # hostile calls it
guest()
{
	"$@" "$top/scripts/run.sh" qemu/vm.py --kernel "$KERNEL" --command 'env | sort; exit 42' 2>"$work/log" </dev/null
	echo "status $?"
}
clean_guest=$(guest env)
ktap_eq 'a guest' "$clean_guest" "$(guest hostile LC_ALL=tr_TR.UTF-8 LANGUAGE=tr)" || ktap_diag "$(cat "$work/log")"
case $clean_guest in
*'status 42') ;;
*) ktap_bail "no guest: $(cat "$work/log")" ;;
esac
[ -z "$clean" ] && ktap_bail 'no kernel was built'
ktap_finished
