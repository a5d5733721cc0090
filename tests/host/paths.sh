#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: files with a path that has special characters of make, the shell or kbuild
# are copied or refused in one line, and no part of the path is ever executed.
#
# ksft-kernel: any

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. "$top/tests/lib/tree.sh"
fake_tree "$work/tree"
fake_lab "$work/lab"
cd "$work" || exit 1

line_break=$(printf 'a\nb')
# shellcheck disable=SC2016 # nothing is to expand
set -- 'R&D' "it's" 'a"$HOME' 'a;touch pwned' "#$line_break" 'ä%:,=' '-x' 'a\b*(|<`touch pwned`$(touch pwned)'

# refused NAME STATUS SAID: one line and an error status.
refused()
{
	ktap_eq "$1" '1 1' "$2 $(printf '%s\n' "$3" | grep -c '')" || ktap_diag "$3"
}

ktap_plan $((6 * $# + 2))

lab lab/scripts/build-kernel.sh fast >log 2>&1 || ktap_bail "no kernel: $(cat log)"
for name; do
	shown=$(printf %s "$name" | tr '\n#' '??')

	mkdir -p "./modules/$name"
	: >"./modules/$name/Kbuild"
	: >"./modules/$name/mine.c"
	lab lab/scripts/build-module.sh fast "$work/modules/$name" "$work/modules/$name/build/fast" >log 2>&1
	ktap_eq "module in $shown" '0 mine.ko' "$? $(ls "./modules/$name/build/fast/stripped")" || ktap_diag "$(cat log)"

	mkdir -p "./caches/$name"
	case $name in
	-x) said=x status=1 ;;
	*)
		said=$(cache=$work/caches/$name && lab lab/scripts/build-kernel.sh fast 2>&1)
		status=$?
		# The path itself may have a line break.
		said=$(printf '%s\n' "$said" | tr '\n' ' ')
		;;
	esac
	refused "cache in $shown" "$status" "$said"

	mkdir -p "./trees"
	cp -R tree "./trees/$name"
	found=$(tree=$work/trees/$name && lab lab/scripts/kernel-source.sh 2>log)
	status=$?
	case $found in
	*[!A-Za-z0-9/._-]*) found="not plain: $found" ;;
	esac
	ktap_ok_if "kernel tree in $shown" [ "$status" -eq 0 -a -f "$found/Kconfig" ] || ktap_diag "$found $(cat log)"

	mkdir -p kdirs
	cp -R "$(readlink lab/build/fast/kernel)" "./kdirs/$name"
	said=$(lab lab/scripts/build-module.sh "$work/kdirs/$name/" lab lab/build/kdir 2>&1)
	status=$?
	case $name in
	-x) said=x status=1 ;;
	esac
	refused "kernel build in $shown" $status "$(printf '%s\n' "$said" | tr '\n' ' ')"

	mkdir -p checkouts temporary
	cp -R lab "./checkouts/$name"
	rm -rf "./checkouts/$name/build"
	echo "go:; @scripts/prepare.sh fast sh -c 'ls build/fast/module/stripped'" >go.mk
	said=$(cd "./checkouts/$name" && lab make --no-print-directory -f "$work/go.mk" go 2>&1)
	ktap_eq "checkout in $shown" 'demo.ko' "$(printf '%s\n' "$said" | tail -n 1)" || ktap_diag "$said"

	mkdir -p "./temporary/$name"
	TMPDIR=$work/temporary/$name lab lab/scripts/build-module.sh fast lab lab/build/fast/module >log 2>&1
	ktap_eq "TMPDIR in $shown" 0 $? || ktap_diag "$(cat log)"
done

# shellcheck disable=SC2016
said=$(lab make -C lab --no-print-directory vm SCRIPT='a"`touch pwned`$(shell touch pwned)' 2>&1)
# shellcheck disable=SC2016
ktap_match 'script that is not there' '*a"`touch pwned`$(shell touch pwned)*' "$said"
ktap_eq 'nothing was executed' '' "$(find "$work" -name 'pwned*')"
ktap_finished
