#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: only the run that took a lock holds it, not what it leaves behind, and a
# killed run leaves neither a build nor a lock.
#
# ksft-kernel: any

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
# shellcheck disable=SC2317 # The trap calls it.
clean_up()
{
	for _left in "$work"/*.pid; do
		[ ! -s "$_left" ] || kill "$(cat "$_left")" 2>/dev/null
	done
	rm -rf "$work"
}
trap clean_up EXIT
. "$top/tests/lib/process.sh"
. "$top/tests/lib/tree.sh"
fake_tree "$work/tree"
fake_lab "$work/lab"
cd "$work/lab" || exit 1

# free FILE...: whether nobody holds a lock on them.
# shellcheck disable=SC2317 # It is called by others.
free()
{
	for _file; do
		[ -f "$_file" ] && flock -n "$_file" true || return 1
	done
}

cat >scripts/brief.sh <<'END'
#!/bin/sh
. "$(dirname "$0")/lib.sh"
n=0
while [ $n -lt 300 ]; do
	progress_start step 0 nothing
	progress_stop
	n=$((n + 1))
done
END
chmod +x scripts/brief.sh

touch_tree()
{
	touch "$work/tree/Kconfig"
}

ktap_plan 24

# The step may end before the progress loop has begun.
ktap_ok_if 'a step that takes no time ends' timeout 60 scripts/brief.sh

# For example a compiler's daemon that has left the process group of the build.
cat >"$work/tree/hook" <<END
setsid sh -c 'echo \$\$ >$work/daemon.pid; exec sleep 300' >/dev/null 2>&1 &
until [ -s $work/daemon.pid ]; do sleep 0.1; done
END
lab scripts/prepare.sh fast >"$work/log" 2>&1
ktap_eq 'a build that leaves a process behind succeeds' 0 $? || ktap_diag "$(cat "$work/log")"
ktap_ok_if 'the process is left' soon test -s "$work/daemon.pid"
ktap_ok_if 'it holds no lock' free "$work/cache/rust-kthread-demo/kernels/"*.lock build/lock
lab scripts/prepare.sh fast sh -c "setsid sh -c 'echo \$\$ >$work/left.pid; exec sleep 300' >/dev/null 2>&1 &" \
	>"$work/log" 2>&1
soon test -s "$work/left.pid"
ktap_ok_if 'nor does one that a command leaves behind' free build/lock
lab scripts/prepare.sh fast sh -c 'exit 42' >/dev/null 2>&1
ktap_eq 'the status is that of the command' 42 $?

# killed SCRIPT SIGNAL: starts it, and kills it in the middle of the kernel's build.
killed()
{
	rm -f "$work/step.pid"
	cat >"$work/tree/hook" <<-END
		echo \$\$ >$work/step.pid
		sleep 300
	END
	touch_tree
	# Not a function, which would run in a subshell.
	env KERNEL_SRC="$work/tree" XDG_CACHE_HOME="$work/cache" BINDGEN="$bindgen" "scripts/$1" fast >"$work/log" 2>&1 &
	_script=$!
	soon test -s "$work/step.pid" || ktap_bail "the build did not begin: $(cat "$work/log")"
	kill "-$2" $_script
	wait $_script 2>/dev/null
	rm -f "$work/tree/hook"
	ktap_ok_if "$2 of $1: the build ends" soon gone "$work/step.pid"
	ktap_ok_if "$2 of $1: nothing is locked" soon free "$work/cache/rust-kthread-demo/kernels/"*.lock build/lock
	lab timeout 60 "scripts/$1" fast >"$work/log" 2>&1
	ktap_eq "$2 of $1: the next run takes over" 0 $? || ktap_diag "$(cat "$work/log")"
}

killed build-kernel.sh KILL
killed prepare.sh KILL
killed prepare.sh TERM

# A flock that fails for another reason.
mkdir "$work/bin"
printf '#!/bin/sh\necho "flock: 9: No locks available" >&2\nexit 71\n' >"$work/bin/flock"
chmod +x "$work/bin/flock"
said=$(PATH=$work/bin:$PATH lab scripts/prepare.sh fast 2>&1)
ktap_match 'a failed lock says why' '1 *failed to lock *No locks available*' "$? $said"

said=$(lab scripts/prepare.sh fast sh -c 'scripts/prepare.sh fast; :' 2>&1)
ktap_match 'a run in the same checkout is told of the other' '*another run works in this checkout (process *' "$said"

: >"$(echo "$work/cache/rust-kthread-demo/kernels/"fast-*/vmlinux)"
lab scripts/build-kernel.sh fast >"$work/log" 2>&1
ktap_eq 'an empty vmlinux is not taken for built' built "$(cat build/fast/kernel/vmlinux)"

# The progress loop, in the shells that /bin/sh may be. It ends at once, is killed, or is left
# behind.
cat >"$work/lab/scripts/loop.sh" <<'END'
. "$(dirname "$0")/lib.sh"
none() { echo 0; }
progress_start "step" 0 none
# Until the loop sleeps.
until cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q "^. $PROGRESS "; do :; done
echo begun
[ "$1" = stop ] || exec sleep 300
progress_stop
END

# alone SESSION: whether nothing runs in it.
# shellcheck disable=SC2317
alone()
{
	! cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q "^[^ZX] [0-9]* [0-9]* $1 "
}

for shell in dash bash; do
	for end in stop TERM KILL; do
		: >"$work/loop"
		# Set LAB_DOOR, as lib.sh would restart the script with /bin/sh.
		# shellcheck disable=SC2016
		setsid env sh -c 'LAB_DOOR=$$ exec "$@"' sh $shell scripts/loop.sh $end >"$work/loop" 2>"$work/log" &
		script=$!
		soon test -s "$work/loop" || ktap_diag "$(cat "$work/log")"
		[ $end = stop ] || kill -$end $script
		wait $script 2>/dev/null
		ktap_ok_if "$shell, $end: the loop ends, and leaves nothing" within 25 alone $script
	done
done
ktap_finished
