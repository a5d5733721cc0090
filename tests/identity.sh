#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The properties of a worker: `identity` shows them, it inherits nothing from its caller, and
# it matches what articles say about kernel threads. Those were written for older kernels;
# a test name with "but" says where linux 7.3 differs.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

# identity NAME KEY...: these values, on one line.
identity()
{
	name=$1
	shift
	# shellcheck disable=SC2034 # It is used by eval.
	while read -r key content; do
		eval "the_$key=\$content"
	done <"$DEMO/workers/$name/identity"
	separator=
	for key; do
		eval "printf '%s%s' '$separator' \"\$the_$key\""
		separator=' '
	done
}

# proc NAME: the /proc directory of a worker.
proc()
{
	echo "/proc/$(value "$1" pid identity)"
}

# status NAME KEY: a value from /proc/PID/status of a worker.
status()
{
	field "$2:" "$(proc "$1")/status"
}

# stat_of NAME NUMBER...: fields of /proc/PID/stat of a worker, on one line.
stat_of()
{
	read -r line <"$(proc "$1")/stat"
	shift
	(
		numbers=$*
		# shellcheck disable=SC2086 # Each field is a word.
		set -- $line
		separator=
		for number in $numbers; do
			eval "printf '%s%s' '$separator' \"\${$number}\""
			separator=' '
		done
	)
}

# has_identity NAME VALUES KEY...: whether these are the values.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
has_identity()
{
	expected=$2
	name=$1
	shift 2
	[ "$(identity "$name" "$@")" = "$expected" ]
}

# events NAME: its lifecycle without the times.
events()
{
	cut -d ' ' -f 2 "$DEMO/workers/$1/lifecycle" | xargs
}

# has_events NAME EVENTS: whether these are the events.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
has_events()
{
	[ "$(events "$1")" = "$2" ]
}

ktap_plan 68

all=$(cat /sys/devices/system/cpu/online)
last=$(($(nproc) - 1))

demo_load workers=0
do_all 'create a'
ktap_eq 'keys of identity in their order' \
	'comm pid tgid ppid parent_comm kthread mm active_mm policy nice rt_priority cpus_allowed numa_node nofreeze' \
	"$(cut -d ' ' -f 1 "$DEMO/workers/a/identity" | xargs)"
pid=$(value a pid identity)
ktap_eq 'pid is the number of its thread' "a $pid" "$(stat_of a 2 1 | tr -d '()')"
ktap_eq 'it has not run, so that it has borrowed nothing' 'none none' "$(identity a mm active_mm)"
do_all 'start a'
ktap_ok_if 'it borrows an active_mm once it runs' wait_for 10 has_identity a 'none borrowed' mm active_mm
ktap_eq 'start does not make another task of it' "$pid" "$(value a pid identity)"
ktap_eq 'identity of a plain worker' "a $pid $pid 2 kthreadd yes none borrowed normal 0 0 $all -1 yes" \
	"$(cut -d ' ' -f 2 "$DEMO/workers/a/identity" | xargs)"

# Attributes that a caller passes to its children.
# shellcheck disable=SC2016 # It expands in that shell.
sched 0 $((1 << last)) 7 9 sh -c '
	cd /tmp
	umask 077
	trap "" TERM
	echo "$(cut -d " " -f 19,40,41 /proc/$$/stat) $(sed -n "s/^Cpus_allowed_list:[[:space:]]*//p" /proc/$$/status)"
	echo "run heir" > "$0"' "$DEMO/control" >/tmp/caller
ktap_eq 'a caller with nice 7, SCHED_FIFO 9 and one CPU' "7 9 1 $last" "$(cat /tmp/caller)"
rm /tmp/caller
ktap_eq 'its worker has policy normal' 'normal 0' "$(identity heir policy rt_priority)"
ktap_eq 'its worker has nice 0' 0 "$(identity heir nice)"
ktap_eq 'its worker has all CPUs' "$all" "$(identity heir cpus_allowed)"
ktap_eq '/proc says the same (nice, rt_priority, policy)' '0 0 0' "$(stat_of heir 19 40 41)"
ktap_eq '/proc says the same (CPUs)' "$all" "$(status heir Cpus_allowed_list)"
ktap_eq 'its worker has not its umask' 0022 "$(status heir Umask)"
ktap_eq 'its worker has not its directory' / "$(readlink "$(proc heir)/cwd")"
ktap_eq 'its worker has not its environment' '' "$(wc -c 2>/dev/null <"$(proc heir)/environ")"
ktap_eq 'its worker has not its files' '' "$(ls "$(proc heir)/fd")"
ktap_eq 'its worker is not in its session and process group' '0 0' "$(stat_of heir 5 6)"

# Attributes that create sets.
do_all 'run bound cpu=0' "create last cpu=$last" 'run node node=0' \
	'run kind nice=-20' 'run modest nice=19' 'run fifo policy=fifo' 'create low policy=fifo_low' 'run normal policy=normal nice=5'
ktap_eq 'cpu=0' '0 -1' "$(identity bound cpus_allowed numa_node)"
ktap_eq 'cpu=0 holds in /proc' 0 "$(status bound Cpus_allowed_list)"
ktap_eq 'cpu= of the last CPU, before the start' "$last" "$(identity last cpus_allowed)"
do_all 'start last'
ktap_eq 'cpu= of the last CPU, after the start' "$last" "$(identity last cpus_allowed)"
sched "$(value bound pid identity)" $(((1 << last + 1) - 1)) 0 0 2>/dev/null
ktap_eq 'a worker with cpu= does not move' '1 0' "$? $(status bound Cpus_allowed_list)"
ktap_eq 'node=0' 0 "$(identity node numa_node)"
ktap_eq 'nice=-20' 'normal -20 0' "$(identity kind policy nice rt_priority)"
ktap_eq 'nice=-20 holds in /proc' -20 "$(stat_of kind 19)"
ktap_eq 'nice=19' 19 "$(identity modest nice)"
ktap_eq 'policy=fifo is in the middle' 'fifo 50' "$(identity fifo policy rt_priority)"
ktap_eq 'policy=fifo holds in /proc' '50 1' "$(stat_of fifo 40 41)"
ktap_eq 'policy=fifo_low is the lowest, before the start' 'fifo 1' "$(identity low policy rt_priority)"
do_all 'start low'
ktap_eq 'policy=fifo_low is the lowest, after the start' 'fifo 1' "$(identity low policy rt_priority)"
ktap_eq 'policy=normal with a nice value' 'normal 5' "$(identity normal policy nice)"

# Later changes from outside (sched_setattr). Field 41 of /proc/PID/stat is the policy.
do_all 'run foreign nice=4'
foreign=$(value foreign pid identity)
for choice in 'rr:3 rr 4 3 2' 'batch batch 4 0 3' 'idle idle 4 0 5' 'deadline deadline 4 0 6' '7 fifo 4 7 1' '0 normal 4 0 0'; do
	# shellcheck disable=SC2086 # These are words.
	set -- $choice
	sched "$foreign" 0 "$3" "$1" || ktap_diag "its policy does not become $2"
	ktap_eq "changed from outside to $2: policy, nice, rt_priority" "$2 $3 $4 $5" \
		"$(identity foreign policy nice rt_priority) $(stat_of foreign 41)"
done
sched "$foreign" 2 0 0
ktap_eq 'changed from outside: the CPUs' "$(status foreign Cpus_allowed_list)" "$(identity foreign cpus_allowed)"
sched "$foreign" 0 -7 batch
ktap_eq 'changed from outside: the nice value' "batch $(stat_of foreign 19)" "$(identity foreign policy nice)"
do_all 'stop foreign'

# From the articles: "[...] will be stopped: use wake_up_process() to start it".
do_all 'create new'
ktap_eq 'articles: a thread is created asleep (D)' D "$(thread_state new)"
ktap_eq 'articles: it does not run before it is woken' 'requested created' "$(events new)"
do_all 'run ran'
ktap_ok_if 'articles: kthread_run() creates and wakes' \
	wait_for 10 has_events ran 'requested created woken first_run'
ktap_eq 'articles: a thread that was never woken can be stopped' OK "$(control stop new)"

# "A kernel thread can be created only by another kernel thread", "new kernel threads are forked
# off kthreadd", process 2, whose parent is 0. None of init or of a workqueue.
ktap_eq 'articles: the parent is kthreadd' '2 kthreadd' "$(identity a ppid parent_comm)"
ktap_eq 'articles: the parent of kthreadd is 0' '(kthreadd) 0' "$(cut -d ' ' -f 2,4 /proc/2/stat)"

# "No address space of its own, its mm is NULL", "never switches to user space".
ktap_eq 'articles: no address space: mm' none "$(identity a mm)"
ktap_eq 'articles: no address space: sizes' '' "$(grep ^Vm "$(proc a)/status")"
ktap_eq 'articles: no address space: VSZ, RSS' '0 0' "$(stat_of a 23 24)"
ktap_eq 'articles: no address space: mappings' 0 "$(wc -c <"$(proc a)/maps")"
ktap_eq 'articles: no address space: command line' 0 "$(wc -c <"$(proc a)/cmdline")"
ktap_eq 'articles: no address space: program' '' "$(readlink "$(proc a)/exe")"
do_all 'wake a'
wait_for 10 is a runs 1
# If no tick has hit the thread, all of its time is reported as user time.
ktap_ok_if 'articles: no time in user space' [ "$(stat_of a 14)" = 0 -o "$(stat_of a 15)" = 0 ]
# It has none while it sleeps, so identity shows the value from when it ran.
ktap_eq 'articles: active_mm is what ran before, but only while the thread runs' borrowed "$(identity a active_mm)"
ktap_eq 'articles: a thread group of its own' "$(identity a pid) 1" "$(identity a tgid) $(status a Threads)"
ktap_eq 'articles: no terminal' 0 "$(stat_of a 7)"
ktap_eq 'articles: it is scheduled as processes are' 0 "$(stat_of a 41)"
ktap_eq 'articles: PF_NOFREEZE comes from kthreadd' yes "$(identity a nofreeze)"
do_all 'create 123456789012345'
ktap_match 'articles: ps shows [name], with as many as 15 bytes' '*[[]123456789012345]*' "$(ps -o ppid,args)"
ktap_eq 'articles: the name is that of the task' 123456789012345 "$(cat "$(proc 123456789012345)/comm")"

# "We take no signals by default": kthreadd ignores all, and its children inherit that.
ktap_eq 'articles: all signals are ignored' ffffffffffffffff "$(status a SigIgn)"
before=$(cat "$DEMO/workers/a/stats")
for signal in HUP TERM STOP KILL; do
	kill -$signal "$pid"
done
ktap_eq 'articles: signals, KILL among them, do nothing' "$before" "$(cat "$DEMO/workers/a/stats")"
ktap_eq 'articles: they do not even arrive' '0000000000000000 0000000000000000' "$(status a SigPnd) $(status a ShdPnd)"
do_all 'wake a'
ktap_ok_if 'articles: the thread works on' wait_for 10 is a runs 2

# "root may have changed our (kthreadd's) priority or CPU mask. The kernel thread should not
# inherit these properties." It does not inherit the policy. kthread() does not reset the
# nice value, and since 6.2 a mask that a user has set is inherited (user_cpus_ptr).
sched 2 $((1 << last)) 5 9
do_all 'run child' 'run chosen nice=-3 cpu=0' 'run zero nice=0'
sched 2 $(((1 << last + 1) - 1)) 0 0
ktap_eq 'articles: nothing of what root has changed kthreadd to: policy' 'normal 0' "$(identity child policy rt_priority)"
ktap_eq 'articles: nothing of what root has changed kthreadd to, but the nice value' 5 "$(identity child nice)"
ktap_eq 'nice 0 is a choice as well' 0 "$(identity zero nice)"
ktap_eq 'articles: nothing of what root has changed kthreadd to, but the CPUs' "$last" "$(identity child cpus_allowed)"
ktap_eq 'what create chooses goes before that' '-3 0' "$(identity chosen nice cpus_allowed)"

demo_unload
ktap_finished
