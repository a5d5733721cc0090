#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the user's options for make arrive unchanged, are never executed, and are
# refused before anything is built if they do not work here.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# A lab whose programs only record the variable in question.
lab=$work/lab
mkdir "$lab"
cp "$top/Makefile" "$lab"
# shellcheck disable=SC2016 # the program expands them
printf '#!/bin/sh\nprintenv "$VARIABLE" > "$SEEN"\necho fast+0\n' >"$work/note"
chmod +x "$work/note"
(cd "$top" && find scripts qemu bench -name '*.sh' -o -name '*.py') | while read -r program; do
	mkdir -p "$lab/$(dirname "$program")"
	cp "$work/note" "$lab/$program"
done

# arrives VARIABLE TARGETS [ARGUMENT]: each target passes on a value with special characters of make and shells.
# shellcheck disable=SC2016,SC1003 # nobody is to expand it, and a backslash ends it
trap='"; touch PWNED; `touch PWNED` $(touch PWNED) $$ $(shell touch PWNED) '\''; touch PWNED #
second line\'
arrives()
{
	for target in $2; do
		rm -f "$work/seen"
		(cd "$lab" && VARIABLE=$1 SEEN=$work/seen make -s "$target" ${3:+"$3"} SCRIPT=Makefile MINUTES=1 "$1=$trap") >"$work/log" 2>&1
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

# refused WORDS ARGUMENT...: fails with one line that contains WORDS, and the status for wrong usage.
refused()
{
	words=$1
	shift
	make -s -C "$top" "$@" >"$work/log" 2>&1 </dev/null
	status=$?
	# Remove the lines that make adds.
	said=$(sed -n -e '/^make[:[]/!p' "$work/log" && sed -n 's/^make: \*\*\* .*\] //p' "$work/log")
	ktap_match "refused: $(printf %s "$*" | tr '\n' ' ' | cut -c 1-60)" "2 make $1: *$words*
Error 2" "$status $said"
	[ "$(printf '%s\n' "$said" | grep -c '')" -eq 2 ] || ktap_fail "in one line"
}

ktap_plan 147

boots='demo test vm shell gdb'
arrives KERNEL "$boots soak bench trace compare lint rust-analyzer rustdoc"
arrives SMP "$boots"
arrives MEM "$boots"
arrives BOOT "$boots"
arrives MODULE 'vm shell gdb'
arrives SHARE 'vm shell gdb'
arrives SCRIPT vm
arrives COMMAND vm
arrives OUT vm
arrives LIMIT vm
arrives TESTS test
arrives MINUTES soak
arrives SEED bench
arrives NAME new-module
arrives DIR new-module
arrives KDIR 'modules modules_install doctor'
# With CONFIG= a second make does the work.
arrives COMMAND vm CONFIG=CONFIG_X=y
arrives SCRIPT vm SHARE=.

# shellcheck disable=SC2016 # nobody is to run it
# Invalid values of each kind.
for value in 0 -1 +1 1e9 1.5 abc '1 2' '2;id' '`id`' '"' 9 99999999999999999999; do
	refused 'SMP=' test "SMP=$value"
done
for value in 0 -1 1e9 1.5G abc G '512 M' 95 1K 9999999G 99999999999999999999 512T '"'; do
	refused 'MEM=' vm COMMAND=true "MEM=$value"
done
for value in 0 -1 1e3 abc '1 2' 0x10 10000000; do
	refused 'LIMIT=' vm COMMAND=true "LIMIT=$value"
	refused 'MINUTES=' soak "MINUTES=$value"
done
for value in -1 abc 4294967296; do
	refused 'SEED=' bench "SEED=$value"
done
for value in 0 -1 65536 http 'localhost:1234' ':'; do
	refused 'GDB_PORT=' gdb "GDB_PORT=$value"
done
for value in nothing.config ../config/fast . 'fast ' 'a;b' '*'; do
	refused 'there is no kernel' demo "KERNEL=$value"
done
for value in nothing 'work hung' '[' host 'gues?'; do
	refused 'matches no test' test "TESTS=$value"
done
for value in console=tty0 init=/bin/sh rdinit=/x panic=5 quiet 'a loglevel=0' -- 'a="b' 'a="b c"' "$(printf 'a\nb')" \
	"$(printf '%01001d' 0)"; do
	refused BOOT test "BOOT=$value"
done
refused 'V=' modules V=yes
refused 'QEMU_ACCEL=' test QEMU_ACCEL=xen
refused 'there is no such file' vm SCRIPT=/nonexistent
refused 'there is no such file' vm "SCRIPT=$work"
refused 'there is no such directory' vm COMMAND=true MODULE=/nonexistent
refused 'neither a Kbuild nor a Makefile' shell "MODULE=$work"
refused 'there is no such directory' vm COMMAND=true SHARE=/nonexistent
refused 'there is no such directory' vm COMMAND=true "SHARE=$top/Makefile"
refused 'SHARE_RW' vm COMMAND=true SHARE_RW=1
refused 'SHARE_RW=' vm COMMAND=true "SHARE=$work" SHARE_RW=yes
refused 'is no directory' vm COMMAND=true "OUT=$top/Makefile"
refused 'is no directory' vm COMMAND=true "OUT=$top/Makefile/x/y"
refused 'there is nothing to run' vm
refused 'both given' vm SCRIPT=Makefile COMMAND=true
refused 'MINUTES is missing' soak
refused 'NAME is missing' new-module
refused 'no terminal' shell
refused 'no terminal' gdb

# An option that a target does not take, or that has no value.
refused 'no option SCIRPT' vm COMMAND=true SCIRPT=x
refused 'no option SCRIPT' test SCRIPT=Makefile
refused 'no option KDRI' modules KDRI=/nonexistent
refused 'no option COMMAND' shell COMMAND=true
refused 'no option a;b' demo 'a;b=c'
refused 'OUT is empty' vm COMMAND=true OUT=
refused 'COMMAND is empty' vm COMMAND=

# Every target that checks has a list of its options.
lacking=
# shellcheck disable=SC2013,SC2016 # the names are words, and make reads the rest
for target in $(sed -n '/^[a-z_-]*:/h; /^\t\$(check)$/{x;s/:.*//p;}' "$top/Makefile"); do
	env LAB_GIVEN=NOBODY NOBODY=1 "$top/scripts/options.sh" "$target" >"$work/log" 2>&1 </dev/null
	grep -q "no option NOBODY" "$work/log" || lacking="$lacking $target"
done
ktap_eq 'each target knows its options' '' "$lacking"

# A port that is in use.
python3 -c '
import socket, subprocess, sys
taken = socket.create_server(("127.0.0.1", 0))
sys.exit(subprocess.call([*sys.argv[1:], "GDB_PORT=%d" % taken.getsockname()[1]]))
' make -s -C "$top" gdb >"$work/log" 2>&1 </dev/null
ktap_match 'refused: a port that is taken' '2 make gdb: the port * is taken*' "$? $(cat "$work/log")"

ktap_ok_if 'all tests in the guest have a name' \
	env LAB_GOALS=test LAB_GIVEN=TESTS TESTS=guest "$top/scripts/options.sh" test

# With several targets each takes its own options.
ktap_ok_if 'an option of another target is no fault' \
	env LAB_GOALS='lint test' LAB_GIVEN=TESTS TESTS='work*' "$top/scripts/options.sh" lint
refused 'matches no test' lint test TESTS=nothing
ktap_finished
