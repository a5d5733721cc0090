#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A guided tour of the life of a kernel thread. Runs in the guest, as root, and exits with 0 only if
# every step had the expected effect.

module=rust_kthread_demo
debugfs=/sys/kernel/debug/$module
steps=11
step=0

fail()
{
	printf '\nStep %d failed: %s\n' "$step" "$*"
	exit 1
}

# title TEXT C_FUNCTION
title()
{
	step=$((step + 1))
	printf '\n%2d/%d  %s\n       in C: %s\n' "$step" "$steps" "$1" "$2"
}

# state NAME: prints the worker's state, or "none".
state()
{
	if [ -d "$debugfs/workers/$1" ]; then
		stat "$1" state
	else
		echo none
	fi
}

# stat NAME KEY: prints one value of the worker's statistics. Starts no program, which takes long
# in an emulated guest.
stat()
{
	while read -r key value; do
		[ "$key" != "$2" ] || echo "$value"
	done <"$debugfs/workers/$1/stats"
}

# elapsed FROM TO: microseconds between two values of busybox' EPOCHREALTIME.
elapsed()
{
	set -- "${1%.*}" "${1#*.}" "${2%.*}" "${2#*.}"
	echo $((($3 - $1) * 1000000 + 1$4 - 1$2))
}

# threads NAME...: shows these threads as ps does, and checks that kthreadd is their parent.
threads()
{
	echo '         PID  PPID STAT COMMAND'
	listed=$(ps -o pid,ppid,stat,args)
	for name; do
		line=$(echo "$listed" | grep " \[$name\]$")
		[ -n "$line" ] || fail "ps does not show [$name]"
		echo "       $line"
		# shellcheck disable=SC2086 # The fields are to be split.
		set -- $line
		[ "$2" = 2 ] || fail "the parent of [$name] is $2, not kthreadd (2)"
	done
}

# command WORDS... BEFORE AFTER: writes WORDS to control and checks the state before and after.
# The second word is the name of the worker.
command()
{
	words=$1
	name=${words#* }
	name=${name%% *}
	before=$(state "$name")
	# shellcheck disable=SC3028 # The guest's shell is busybox.
	start=$EPOCHREALTIME
	echo "$words" >"$debugfs/control" || fail "'$words' was refused"
	# shellcheck disable=SC3028
	end=$EPOCHREALTIME
	took=$(elapsed "$start" "$end")
	after=$(state "$name")
	printf '       $ echo %s > control\n' "$words"
	printf '       state %s -> %s, %d.%03d ms\n' \
		"$before" "$after" $((took / 1000)) $((took % 1000))
	[ "$before" = "$2" ] || fail "the state was $before before, not $2"
	[ "$after" = "$3" ] || fail "the state is $after, not $3"
}

# wait_for TEXT COMMAND...: polls until COMMAND succeeds, for at most ten seconds.
wait_for()
{
	text=$1
	shift
	# shellcheck disable=SC3028
	deadline=$((${EPOCHREALTIME%.*} + 10))
	until "$@"; do
		# shellcheck disable=SC3028
		[ "${EPOCHREALTIME%.*}" -lt "$deadline" ] || fail "waited ten seconds for $text"
		sleep 0.01
	done
}

has_run()
{
	[ "$(stat "$1" runs)" -ge "$2" ]
}

printf 'The life of a kernel thread, on Linux %s with %s CPUs.\n' \
	"$(uname -r)" "$(grep -c ^processor /proc/cpuinfo)"

title 'Load the module. It starts two workers.' 'kthread_run() = kthread_create() + wake_up_process()'
echo "       \$ modprobe $module workers=2"
modprobe $module workers=2 || fail 'the module does not load'
[ "$(ls $debugfs/workers)" = "$(printf 'w0\nw1')" ] || fail 'w0 and w1 are not there'
threads w0 w1

title 'Create a thread. kthreadd forks it; it sleeps (D) and has not run yet.' \
	'kthread_create_on_node()'
command 'create tour' none created
threads tour

title 'Wake it for the first time. Only now it runs, and waits for events (S).' 'wake_up_process()'
command 'start tour' created running
threads tour

title 'Give it three events: it wakes up, works, and sleeps again.' 'wake_up_process()'
for _ in 1 2 3; do
	command 'wake tour' running running
done
wait_for 'three units of work' has_run tour 3
printf '       runs %s, run_time_ns %s\n' "$(stat tour runs)" "$(stat tour run_time_ns)"

title 'Park it: it sleeps (P) where no wake-up reaches it.' 'kthread_park(), kthread_parkme()'
command 'park tour' running parked
threads tour

title 'A parked worker refuses events.' 'EBUSY of our own: a wake_up_process() would be lost'
echo '       $ echo wake tour > control'
# The printf of busybox does not say why a write failed, but its echo does.
# shellcheck disable=SC2116
error=$(echo wake tour 2>&1 >$debugfs/control) && fail 'a parked worker took an event'
echo "       ${error##*: }"
[ "${error##*: }" = 'Device or resource busy' ] || fail "the error is not that of EBUSY: '$error'"

title 'Unpark it: it goes on where it was.' 'kthread_unpark()'
command 'unpark tour' parked running
threads tour

title 'A thread that works every 5 ms, until it is told otherwise.' 'schedule_hrtimeout()'
command 'run beat kind=periodic period_us=5000' none running
wait_for 'ten periods' has_run beat 10
printf '       runs %s, overruns %s\n' "$(stat beat runs)" "$(stat beat overruns)"

title 'Stop a thread: ask it to return, wait until it has exited.' \
	'kthread_stop(), kthread_should_stop()'
command 'stop tour' running none
command 'stop beat' running none

title 'What happened, in all.' 'seq_file, single_open()'
sed 's/^/       /' $debugfs/stats

title 'Unload the module while w0 and w1 still run: it stops them.' 'kthread_stop() for each'
echo "       \$ rmmod $module"
rmmod $module || fail 'the module does not unload'
[ ! -e $debugfs ] || fail "$debugfs is still there"
left=$(ps -o ppid,args | awk '$1 == 2 && $2 ~ /^\[(w0|w1|tour|beat)\]$/ { print $2 }')
[ -z "$left" ] || fail "these threads are left: $left"
grep -q "^$module " /proc/modules && fail "$module is still loaded"
echo '       No thread, no debugfs entry, no module is left.'

printf '\nAll %d steps gave what they should.\n' "$steps"
cat <<'EOF'

From here:
  make watch                  the workers in a table that moves, and a key for each step
  make shell                  the same guest, to do it all yourself
  make test                   what shows that it works
  make trace                  one such life as a picture, from the kernel's own trace
  make compare                processes, threads and kernel threads side by side
  make bench                  what it costs in Rust and in C
  make new-module NAME=mine   begins a module of yours; samples/ has eight to copy from
  docs/                       how a kernel thread lives, the API by example, the lab
EOF
