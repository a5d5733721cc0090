#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: what the user sets for make arrives as it was given, and is
# never a command.

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# A lab whose programs do nothing but note what the variable in question is.
lab=$work/lab
mkdir "$lab"
cp "$top/Makefile" "$lab"
# shellcheck disable=SC2016 # the program expands them
printf '#!/bin/sh\nprintenv "$VARIABLE" > "$SEEN"\n' >"$work/note"
chmod +x "$work/note"
(cd "$top" && find scripts qemu bench -name '*.sh' -o -name '*.py') | while read -r program; do
	mkdir -p "$lab/$(dirname "$program")"
	cp "$work/note" "$lab/$program"
done

# arrives VARIABLE TARGETS: for each target, a value that is a trap for make and for shells.
# shellcheck disable=SC2016,SC1003 # nobody is to expand it, and a backslash ends it
trap='"; touch PWNED; `touch PWNED` $(touch PWNED) $$ $(shell touch PWNED) '\''; touch PWNED #
second line\'
arrives()
{
	for target in $2; do
		rm -f "$work/seen"
		(cd "$lab" && VARIABLE=$1 SEEN=$work/seen make -s "$target" SCRIPT=Makefile MINUTES=1 "$1=$trap") >"$work/log" 2>&1
		if [ -e "$lab/PWNED" ]; then
			rm -f "$lab/PWNED"
			ktap_fail "$target: $1 is not executed"
			ktap_diag "$(cat "$work/log")"
		elif [ -e "$work/seen" ]; then
			ktap_eq "$target: $1 arrives" "$trap" "$(cat "$work/seen")"
		else
			ktap_pass "$target: $1 is refused"
		fi
	done
}

ktap_plan 34

boots='demo test vm shell gdb'
arrives KERNEL "$boots soak bench trace compare lint rust-analyzer rustdoc"
arrives SMP "$boots"
arrives MEM "$boots"
arrives MODULE 'vm shell gdb'
arrives SCRIPT vm
arrives TESTS test
arrives MINUTES soak
arrives SEED bench
arrives NAME new-module
arrives DIR new-module
arrives KDIR 'modules modules_install doctor'
ktap_finished
