#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: a guest has the requested devices and options, and the files that it leaves
# in /out arrive on the host.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# vm ARGUMENT...: sets $status; the output is in $work/out and $work/err.
vm()
{
	"$top/scripts/run.sh" qemu/vm.py --kernel "$KERNEL" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

# out_line N
out_line()
{
	sed -n "$1p" "$work/out"
}

show()
{
	ktap_diag "$(tail -n 20 "$work/out" "$work/err")"
}

ktap_plan 30

out="$work/a, b"
mkdir -p "$out/d"
echo old >"$out/kept"
echo old >"$out/f"
# shellcheck disable=SC2016 # the guest expands it
vm --smp 3 --mem 400M --boot 'lab.word=1 loose' --out "$out" --command 'a="x  y"
nproc
grep -o "lab.word=1 loose" /proc/cmdline
sed -n "s/^MemTotal: *\([0-9]*\)... kB/\1/p" /proc/meminfo
printf "%s\n" "$a" '\''"$b"`'\''
cd /out && echo new >f && mkdir d && echo y >d/g && ln d/g hard && ln -s d/g link && ln -s /etc/passwd bad && mkfifo pipe
touch "$(printf "n\nl")" "$(printf "%0150d" 0)"
chmod 4755 f
exit 7'
ktap_eq 'the status of a command' 7 $status || show
ktap_eq 'as many CPUs' 3 "$(out_line 1)"
ktap_eq 'words of the command line' 'lab.word=1 loose' "$(out_line 2)"
ktap_match 'as much memory, less what the kernel takes' '[23][0-9][0-9]' "$(out_line 3)"
ktap_eq 'quotes and blanks' 'x  y' "$(out_line 4)"
# shellcheck disable=SC2016 # as it was given
ktap_eq 'signs of the shell' '"$b"`' "$(out_line 5)"
ktap_eq 'a file comes back, in place of an older one' 'new -rwxr-xr-x' \
	"$(cat "$out/f") $(stat -c %A "$out/f")"
ktap_eq 'in a directory that is there' y "$(cat "$out/d/g")"
ktap_eq 'other files stay' old "$(cat "$out/kept")"
ktap_eq 'a hard link' y "$(cat "$out/hard")"
ktap_eq 'a link in it' d/g "$(readlink "$out/link")"
ktap_ok_if 'a name with a newline' [ -f "$out/n
l" ]
ktap_ok_if 'a long name' [ -f "$out/$(printf '%0150d' 0)" ]
ktap_eq 'nothing else' 8 "$(find "$out" -mindepth 1 -printf '.\n' | grep -c .)"
ktap_match 'a link out of it does not' '*left out*bad*a link out of /out*' "$(cat "$work/err")"
ktap_match 'nor does what is no file' '*left out*pipe*neither a file nor a directory*' "$(cat "$work/err")"

# Losses are reported.
vm --out "$out" --command 'echo lost >/out/f; echo c >/proc/sysrq-trigger'
ktap_eq 'a panic' 103 $status || show
ktap_match 'takes /out with it, which is said' '*OUT: nothing from /out got to*' "$(cat "$work/err")"
ktap_eq 'and the older file stays' new "$(cat "$out/f")"
vm --out "$out" --command 'truncate -s 100G /out/holes'
ktap_eq 'a file that is larger than the guest' 117 $status || show
ktap_match 'is named as a reason' '*larger than the guest*memory*' "$(cat "$work/err")"
vm --limit 4 --command 'sleep 1000'
ktap_eq 'a limit' 107 $status || show
ktap_match 'tells how to set it' '*limit of 4 s*LIMIT=*' "$(cat "$work/err")"

echo 'int main(void) { return 9; }' >"$work/nine.c"
vm --program "$work/nine.c" --command nine
ktap_eq 'a program of ours' 9 $status || show
echo 'int main(void) { return nine; }' >"$work/nine.c"
vm --program "$work/nine.c" --command nine
ktap_match 'refused: one that does not compile' '125 *vm.py: failed to compile *nine.c *' "$status $(cat "$work/err")"
vm --program "$work/ten.c" --command ten
ktap_match 'refused: one that is not there' '125 vm.py: --program *ten.c: there is no such file in C*' "$status $(cat "$work/err")"

vm --smp 9999 --command true
ktap_match 'refused: more CPUs than the kernel takes' '125 vm.py: --smp 9999: *takes at most * CPUs' \
	"$status $(cat "$work/err")"
vm --mem 10 --command true
ktap_match 'refused: too little memory' '125 *too little memory*' "$status $(cat "$work/err")"
vm --shell
ktap_match 'refused: a shell without a terminal' '125 vm.py: there is no terminal*' "$status $(cat "$work/err")"
vm --gdb
ktap_match 'refused: a debugger without one' '125 vm.py: there is no terminal*' "$status $(cat "$work/err")"
ktap_finished
