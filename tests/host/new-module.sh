#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: scripts/new-module.sh makes a module that builds and whose test
# holds in the guest, or nothing at all.

top=$(cd "$(dirname "$0")/../.." && pwd)
KERNEL=${1:-${KERNEL:-fast}}
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
log=$work/log
mkdir "$work/place"

# refused NAME DIR WORDS: nothing is made, for a reason that is given in one line.
refused()
{
	said=$("$top/scripts/new-module.sh" "$1" "$2" 2>&1)
	said="$? $(printf '%s\n' "$said" | grep -c '') $said $(ls -A "$work/place")"
	ktap_match "refused: '$1'" "1 1 *$3* " "$said"
}

# run COMMAND...: keeps away from the harness what the command says.
run()
{
	"$@" > "$log" 2>&1
}

show()
{
	ktap_diag "$(cat "$log")"
}

ktap_plan 17

refused '' "$work/place" 'NAME is missing'
refused foo-bar "$work/place" 'is no name for a module'
refused Foo "$work/place" 'is no name for a module'
refused 1st "$work/place" 'is no name for a module'
refused ../foo "$work/place" 'is no name for a module'
refused 'foo bar' "$work/place" 'is no name for a module'
refused "$(printf '%056d' 0 | tr 0 a)" "$work/place" 'is too long'
refused kernel "$work/place" 'is the name of something else'
refused foo "$work/none" 'there is no directory'

run "$top/scripts/new-module.sh" foo "$work/place"
ktap_eq 'made' 0 $? || show
ktap_eq 'nothing but its directory' foo "$(ls -A "$work/place")"
run diff -r "$top/kthread" "$work/place/foo/kthread"
ktap_eq 'it has the API, and its README' 0 $? || show
run diff "$top/COPYING" "$work/place/foo"
ktap_eq 'and its licence' 0 $? || show
said=$("$top/scripts/new-module.sh" foo "$work/place" 2>&1)
ktap_match 'there is no second one' '1 *foo is there already*' "$? $said"

# What its Makefile asks the lab for, which is then done here.
# shellcheck disable=SC2016 # make expands it.
printf 'vm:\n\t@echo "$(MODULE) $(SCRIPT)"\n' > "$work/Makefile"
ktap_eq 'make test is up to the lab' "$work/place/foo $work/place/foo/test.sh" \
	"$(make -s -C "$work/place/foo" test LAB="$work" 2>&1)"
run "$top/scripts/build-module.sh" "$KERNEL" "$work/place/foo" "$work/place/foo/build/$KERNEL"
ktap_eq 'it builds' 0 $? || show
run "$top/qemu/vm.py" --kernel "$KERNEL" --module "$work/place/foo" \
	--script "$work/place/foo/test.sh"
ktap_eq 'its test holds in the guest' 0 $? || show
ktap_finished
