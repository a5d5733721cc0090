#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: "make watch" in a real terminal, with keys typed and the screen read.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
KERNEL=${1:-${KERNEL:-fast}}
. "$top/tests/lib/ktap.sh"

# The host has no usleep for wait_for.
# shellcheck disable=SC2317
usleep()
{
	sleep 0.1
}

command -v tmux >/dev/null || ktap_skip_all 'there is no tmux'
work=$(mktemp -d) || exit 1
server=
# In the background and not as a daemon, so that it is a process of this test.
# shellcheck disable=SC2317 # the trap calls it
end()
{
	tmux_ kill-server 2>/dev/null
	[ -z "$server" ] || wait "$server"
	rm -rf "$work"
}
trap end EXIT
tmux_()
{
	env -u TMUX tmux -f /dev/null -S "$work/socket" "$@"
}

tmux_ -D >/dev/null 2>&1 &
server=$!
wait_for 10 test -S "$work/socket"

# open NAME: a terminal of 80 columns and 24 lines, in which the guest is started.
open()
{
	terminal=$1
	tmux_ new-session -d -s "$1" -x 80 -y 24 "cd '$top' && stty -a >'$work/before' &&
		scripts/run.sh qemu/vm.py --kernel '$KERNEL' --program watch/watch_demo.c --console watch_demo
		echo \"status \$?\"; stty -a >'$work/after'; exec cat"
}

screen()
{
	tmux_ capture-pane -p -t "$terminal"
}

# shellcheck disable=SC2317 # wait_for calls it
shows()
{
	screen | grep -Eq "$1"
}

# shellcheck disable=SC2317 # wait_for calls it
without()
{
	! shows "$1"
}

# expect WHAT REGEX: waits until a line of the screen matches.
expect()
{
	ktap_ok_if "$1" wait_for "${3:-20}" shows "$2" || ktap_diag "$(screen)"
}

keys()
{
	tmux_ send-keys -t "$terminal" "$@"
}

# The terminal's own state: alternate screen and cursor.
flags()
{
	tmux_ display -p -t "$terminal" '#{alternate_on} #{cursor_flag}'
}

ktap_plan 24

open first
expect 'the workers are shown' '^ w3 +running +S +[0-9]+ +[01] +0 +0 first_run' 200
ktap_eq 'on a screen of its own, without a cursor' '1 0' "$(flags)"
expect 'the first is selected' '^>w0 +running'
keys c
expect 'c creates one, which sleeps until it is started' '^>w4 +created +D +[0-9]+ +[01] +0 +0 created'
expect 'the command and the function are told' '^ +kthread_create_on_node\(\): none -> created, [0-9.]+ ms'
keys w
expect 'a refusal is told by its errno' '^ +wake_up_process\(\): EBUSY: Device or resource busy'
keys s
expect 's starts it' '^>w4 +running +S'
keys w w w
expect 'w wakes it' '^>w4 +running +S +[0-9]+ +[01] +3 +3 woken +[.:=+*#%@-]'
keys p
expect 'p parks it' '^>w4 +parked +P .* parked'
expect 'its lifecycle is shown' '^ +[0-9.]+ +parked +[0-9.]+ s later'
keys u
expect 'u has it go on' '^>w4 +running'
keys Up
expect 'an arrow selects another' '^>w3 '
keys j
expect 'and so does a letter' '^>w4 '
keys x
expect 'x stops it' '^ +kthread_stop\(\): running -> none'
ktap_ok_if 'and it is gone' wait_for 20 without '^.w4 '
keys b
expect 'b runs a periodic one' '^>w4 +running .* [1-9][0-9]* [a-z]'
keys c c c c c c
expect 'the table scrolls' '^>w10 +created'
tmux_ send-keys -t "$terminal" C-l
expect 'Ctrl-L draws it again' '^>w10 +created'
keys q
expect 'q ends it, and the guest' '^status 0$' 60
ktap_eq 'the terminal is as it was' "0 1 $(cat "$work/before")" "$(flags) $(cat "$work/after")"

open second
wait_for 200 shows '^>w0'
keys C-a x
wait_for 60 shows '^status 0$'
ktap_eq 'so it is if QEMU is left by Ctrl-A X' "0 1 $(cat "$work/before")" "$(flags) $(cat "$work/after")"
ktap_ok_if 'what it said there is all that is left' test -z "$(screen | grep '^.w[0-9]')"

# With make as the session leader, which waits for its children on SIGHUP.
terminal=third
cat >"$work/Makefile" <<EOF
all:
	cd '$top' && scripts/run.sh qemu/vm.py --kernel '$KERNEL' --program watch/watch_demo.c --console watch_demo
EOF
tmux_ new-session -d -s third -x 80 -y 24 "exec make -f '$work/Makefile'"
wait_for 200 shows '^>w0'
leader=$(tmux_ display -p -t third '#{pane_pid}')
# shellcheck disable=SC2317 # wait_for calls it
all_ended()
{
	! pgrep -s "$leader" .
}
ktap_ok_if 'a guest is in a terminal' pgrep -s "$leader" qemu-system
tmux_ kill-session -t third
ktap_ok_if 'closing the terminal ends it' wait_for 30 all_ended || ktap_diag "$(ps -o pid,args -s "$leader")"
ktap_finished
