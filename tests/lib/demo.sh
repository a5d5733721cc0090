# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Functions for the tests of rust_kthread_demo. Sourced after ktap.sh.

# kselftest installs the programs here.
PATH=$PATH:$(dirname "$0")

MODULE=rust_kthread_demo
DEMO=/sys/kernel/debug/$MODULE

# demo_load [PARAMETER=VALUE...]: loads the module or bails out.
demo_load()
{
	modprobe "$MODULE" "$@" || ktap_bail "$MODULE $* does not load"
}

# demo_unload: unloads the module or bails out.
demo_unload()
{
	rmmod "$MODULE" || ktap_bail "$MODULE does not unload"
}

# demo_is_gone: whether neither module nor debugfs entry is left.
demo_is_gone()
{
	! grep -q "^$MODULE " /proc/modules && [ ! -e "$DEMO" ]
}

# control WORDS...: gives a command, and prints the name of its errno, or OK.
control()
{
	write_errno "$DEMO/control" "$*"
}

# do_all COMMAND...: gives commands that have to succeed.
do_all()
{
	for demo_command; do
		if ! printf '%s' "$demo_command" >"$DEMO/control"; then
			ktap_diag "'$demo_command' was not taken"
			return 1
		fi
	done
}

# field KEY FILE: the value of the first line `KEY VALUE`. Forks no process, which would be
# slow.
field()
{
	while read -r demo_key demo_value; do
		if [ "$demo_key" = "$1" ]; then
			printf '%s\n' "$demo_value"
			break
		fi
	done <"$2"
}

# workers: the names of all workers.
workers()
{
	for demo_dir in "$DEMO"/workers/*/; do
		[ -d "$demo_dir" ] && basename "$demo_dir"
	done | xargs
}

# total KEY: a value of the module's stats.
total()
{
	field "$1" "$DEMO/stats"
}

# value NAME KEY [FILE]: a value of a worker's stats, or of another file of it.
value()
{
	field "$2" "$DEMO/workers/$1/${3:-stats}"
}

# is NAME KEY VALUE: whether a worker's stats have this value.
is()
{
	[ "$(value "$1" "$2")" = "$3" ]
}

# at_least NAME KEY N: whether a worker's counter has reached N.
at_least()
{
	[ "$(value "$1" "$2")" -ge "$3" ]
}

# works NAME: whether an event worker does exactly one unit of work when it is woken.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
works()
{
	runs=$(($(value "$1" runs) + 1))
	do_all "wake $1" && wait_for 10 is "$1" runs "$runs" && is "$1" wakes "$runs"
}

# beats NAME: whether a periodic worker keeps running.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
beats()
{
	wait_for 10 at_least "$1" runs $(($(value "$1" runs) + 3))
}

# thread_state NAME: the state letter of the kernel thread of that name.
thread_state()
{
	ps -o stat,ppid,args | awk -v name="[$1]" '$2 == 2 && $3 == name { print substr($1, 1, 1) }'
}

# thread_is NAME LETTER: whether the kernel thread NAME is in this state.
thread_is()
{
	[ "$(thread_state "$1")" = "$2" ]
}

# now: nanoseconds since the boot, by the clock that the module uses.
now()
{
	sed -n 's/^now at \([0-9]*\) nsecs$/\1/p' /proc/timer_list
}

# serve RUNTIME: lets the deadline server give ordinary threads RUNTIME nanoseconds of each
# second on the starved CPU. It is off when the guest boots.
serve()
{
	[ ! -e "$demo_server" ] || echo "$1" >"$demo_server"
}

# starve CPU [RUNTIME]: keeps ordinary and fifo_low threads off a CPU until feed. Ordinary
# threads get RUNTIME nanoseconds of each second.
starve()
{
	# With PREEMPT_RT these threads do the work of interrupts.
	for demo_pid in $(ps -o pid,ppid,args | awk -v cpu="$1" \
		'$2 == 2 && ($3 == "[ktimers/" cpu "]" || $3 == "[rcuc/" cpu "]") { print $1 }'); do
		sched "$demo_pid" 0 0 2
	done
	# The kernel's per-CPU threads, which others wait for, have to run there.
	demo_server=/sys/kernel/debug/sched/fair_server/cpu$1/runtime
	serve "${2:-50000000}"
	# The shell that calls feed must not run there, either.
	demo_cpus=$(((1 << $(nproc)) - 1))
	[ $demo_cpus -eq $((1 << $1)) ] || sched $$ $((demo_cpus & ~(1 << $1))) 0 0
	rm -f /tmp/starved
	sched 0 $((1 << $1)) 0 1 sh -c 'echo > /tmp/starved; while :; do :; done' &
	demo_hog=$!
	wait_for 10 [ -e /tmp/starved ] || ktap_bail "failed to keep CPU $1 busy"
	rm /tmp/starved
}

# feed: undoes starve.
feed()
{
	kill -KILL "$demo_hog"
	wait "$demo_hog" 2>/dev/null
	serve 0
	sched $$ "$demo_cpus" 0 0
}
