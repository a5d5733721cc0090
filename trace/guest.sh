#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest, as root: traces the life of a kernel thread named `life`, and a work
# item of the kthread_worker in samples/kthread_worker.rs. Writes the results to standard
# output, as a tar archive:
#
#	trace, release         the trace as text, and the kernel release
#	raw/cpu*               the pages of the ring buffer of each CPU
#	tracing/, kallsyms     the files needed to read these
#
# trace/trace.sh prepends $kthread_create_list, an address, and $returns_to, the place of a
# function's return address.
#
# The caller is this shell. It forks no process during the trace, so that no other forks show
# up, and polls files that it reads itself.

tracing=/sys/kernel/tracing
debugfs=/sys/kernel/debug/rust_kthread_demo
out=/tmp/out

die()
{
	echo "trace: $*" >&2
	exit 1
}

# range PATTERN: a filter for calls from the module's function whose name matches.
range()
{
	grep '\[rust_kthread_demo\]' /proc/kallsyms | sort | awk -v pattern="$1" '
		begin != "" { print "from >= 0x" begin " && from < 0x" $1; found = 1; exit }
		$3 ~ pattern { begin = $1 }
		END { exit !found }'
}

# probe NAME FUNCTION [ARGUMENT...]: an event when FUNCTION is entered.
probe()
{
	echo "p:life/$*" >>kprobe_events || die "no probe can be put on $2"
}

# returns NAME FUNCTION: an event when FUNCTION returns.
returns()
{
	echo "r:life/$1 $2 value=\$retval:${3:-x64}" >>kprobe_events || die "no probe can be put on $2"
}

# mark WORDS: marks a command in the trace, in the format that Perfetto shows as an event of this task.
mark()
{
	echo "I|$$|$1" >trace_marker
}

# command WORDS: gives a command to the module, and marks it.
command()
{
	mark "$1"
	echo "$1" >$debugfs/control || die "'$1' was refused"
}

# wait_until COMMAND...: polls until COMMAND succeeds.
wait_until()
{
	read -r now _ </proc/uptime
	end=$((${now%.*} + 30 * ${KSFT_SLOWNESS:-1}))
	until "$@"; do
		read -r now _ </proc/uptime
		[ "${now%.*}" -lt "$end" ] || die "waited too long for: $*"
	done
}

# sleeps LETTER: whether the thread sleeps in this state. It has the state before it has left the
# run queue, and only then the kernel knows where it waits.
sleeps()
{
	read -r _ _ state _ <"/proc/$pid/stat"
	[ "$state" = "$1" ] || return 1
	read -r place <"/proc/$pid/wchan"
	[ "$place" != 0 ]
}

# field KEY FILE: the value in the line `KEY VALUE`, without a fork.
field()
{
	while read -r key value; do
		[ "$key" != "$1" ] || break
	done <"$2"
}

has_worked()
{
	field runs $debugfs/workers/life/stats
	[ "$value" = 1 ]
}

# is_gone: whether the thread has left its CPU for the last time (it leaves /proc before that).
is_gone()
{
	while read -r line; do
		case $line in
		*prev_pid="$pid "*prev_state=X*) return 0 ;;
		esac
	done <trace
	return 1
}

[ -n "$kthread_create_list" ] || die 'the address of kthread_create_list was not given: run trace/trace.sh'
modprobe rust_kthread_demo workers=0 || die 'the module does not load'
mount -t tracefs tracefs $tracing 2>/dev/null || [ -d $tracing/events ] ||
	die 'this kernel has no tracefs: it lacks CONFIG_FTRACE'
cd $tracing || exit 1
[ -e kprobe_events ] || die 'this kernel lacks CONFIG_KPROBE_EVENTS'

# shellcheck disable=SC2154 # see above
from="from=$returns_to:symbol"
# shellcheck disable=SC2016 # these are function arguments, not shell variables
probe kthread_create_on_node kthread_create_on_node 'threadfn=$arg1:symbol'
returns kthread_create_on_node_return kthread_create_on_node
# shellcheck disable=SC2016
probe kernel_thread kernel_thread 'fn=$arg1:symbol' 'name=+0($arg3):string' \
	"first=@$kthread_create_list:x64" "list=\\$kthread_create_list:x64"
probe wake_up_process wake_up_process "first=@$kthread_create_list:x64" "list=\\$kthread_create_list:x64"
probe kthread kthread
# shellcheck disable=SC2016
first='x=$arg1:x64'
probe complete_all complete_all "$first"
probe ktime_get ktime_get "$from"
returns kthread_should_park kthread_should_park u8
probe complete complete "$first"
probe kthread_queue_work kthread_queue_work
probe wait_for_completion_killable wait_for_completion_killable "$first"
probe wait_for_completion wait_for_completion "$first"
probe prepare_to_swait_exclusive prepare_to_swait_exclusive "wait=${first#*=}"
probe kthread_park kthread_park
returns kthread_park_return kthread_park
probe kthread_parkme kthread_parkme
probe kthread_unpark kthread_unpark
probe kthread_stop kthread_stop
probe do_exit do_exit
probe kthread_do_exit kthread_do_exit

# kprobe events do not support Rust's mangled names, but the C functions they call have a return address.
within=$(range 'demo6worker.*12unit_of_work') || die 'the module has no function unit_of_work'
echo "$within" >events/life/ktime_get/filter || die 'ktime_get could not be filtered'
echo 'value == 1' >events/life/kthread_should_park/filter || die 'kthread_should_park could not be filtered'

echo mono >trace_clock
echo $$ 2 >set_event_pid
echo 1 >options/event-fork
echo 1 >options/record-tgid
for event in life/enable sched/sched_process_fork/enable sched/sched_process_exit/enable \
	sched/sched_switch/enable sched/sched_waking/enable sched/sched_wakeup_new/enable \
	sched/sched_kthread_stop/enable sched/sched_kthread_stop_ret/enable \
	sched/sched_kthread_work_queue_work/enable sched/sched_kthread_work_execute_start/enable \
	sched/sched_kthread_work_execute_end/enable; do
	echo 1 >events/$event || die "there is no event $event"
done

# kthreadd is not woken for this thread if it is creating another one.
pid=2
wait_until sleeps S
echo 1 >tracing_on
command 'create life'
field pid $debugfs/workers/life/identity
pid=$value
wait_until sleeps D
command 'start life'
wait_until sleeps S
command 'wake life'
wait_until has_worked
wait_until sleeps S
command 'park life'
wait_until sleeps P
command 'unpark life'
wait_until sleeps S
command 'stop life'
wait_until is_gone
echo 0 >tracing_on

# Unloading that module queues a last work item, waits for it, and stops the worker. Children
# of the shell and of kthreadd are traced as well.
modprobe kthread_worker || die 'the module kthread_worker does not load'
pid=$(pidof heart) || die 'the module kthread_worker has no thread named heart'
wait_until sleeps S
# After the unload the text of the trace would only have raw addresses in the module.
mkdir -p $out/raw || exit 1
cat /proc/kallsyms >$out/kallsyms
echo 1 >tracing_on
mark 'work heart'
rmmod kthread_worker || die 'the module kthread_worker does not unload'
echo 0 >tracing_on

cat trace >$out/trace
uname -r >$out/release
# Not with cp, which takes the files of tracefs for hard links to each other.
for file in trace_clock saved_cmdlines printk_formats events/header_page events/header_event \
	events/ftrace/*/format events/sched/*/format events/life/*/format; do
	mkdir -p "$(dirname "$out/tracing/$file")"
	cat "$file" >"$out/tracing/$file"
done
for cpu in per_cpu/cpu*; do
	pages=$out/raw/${cpu##*/}
	: >"$pages"
	# A read blocks if nothing is left, so check first.
	while [ "$(sed -n 's/^entries: //p' "$cpu/stats")" -gt 0 ]; do
		dd if="$cpu/trace_pipe_raw" bs=4096 count=1 >>"$pages" 2>/dev/null || die "$cpu could not be read"
	done
done
echo 0 >events/enable
: >kprobe_events
rmmod rust_kthread_demo || die 'the module does not unload'
tar -C $out -cf - .
