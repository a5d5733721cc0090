#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the traced life of a thread and of a work item follows the order of
# kernel/kthread.c; a trace without a step, with a step too early, or with a command that
# Perfetto does not show is refused; and the picture in docs/ matches its trace.

KERNEL=${1:-${KERNEL:-fast}}
. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
docs=$top/docs/lifecycle
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# shows WORDS...: whether the text has these words, each below the previous one.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
shows()
{
	for words; do
		echo "$words"
	done | awk '
		NR == FNR { words[++count] = $0; next }
		next_one < count && index($0, words[next_one + 1]) { next_one++ }
		END { exit next_one != count }' - "$work/trace/lifecycle.txt"
}

ktap_plan 13
"$top/trace/order.py" "$docs.trace" >"$work/log" 2>&1
ktap_eq 'docs: the trace is in order' 0 $? || ktap_diag "$(cat "$work/log")"
ktap_eq 'a step that is missing is told' '' "$(python3 "$top/tests/host/trace.py" removed "$docs.trace" 2>&1)"
ktap_eq 'a step that comes too early is told' '' "$(python3 "$top/tests/host/trace.py" moved "$docs.trace" 2>&1)"
ktap_eq 'another request may come behind' '' "$(python3 "$top/tests/host/trace.py" behind "$docs.trace" 2>&1)"
sed 's/I|[0-9]*|park/park/' "$docs.trace" >"$work/unmarked"
ktap_match 'a command that Perfetto does not show is told' '*no mark of a command: park life*' \
	"$("$top/trace/order.py" "$work/unmarked" 2>&1)"
release=$(sed -n 's/.*as Linux \(.*\) traced it\.$/\1/p' "$docs.txt")
"$top/trace/picture.py" "$docs.trace" "$release" "$work/svg" "$work/txt"
ktap_ok_if 'docs: the picture is made from the trace' cmp "$work/svg" "$docs.svg"
ktap_ok_if 'docs: the text is made from the trace' cmp "$work/txt" "$docs.txt"

if ! grep -q ' kthread_create_list$' "$top/build/$KERNEL/kernel/System.map"; then
	ktap_skip_each 'the symbols of this packaged kernel are not here' \
		'a guest traces a life that is in order' 'the text shows how a thread is created' \
		'and how it is parked, unparked and stopped' 'and how a worker does what is queued' \
		'the picture is well-formed and small enough for docs' 'the page has them all'
	ktap_finished
fi
"$top/trace/trace.sh" "$KERNEL" "$work/trace" >"$work/log" 2>&1
if ! ktap_eq 'a guest traces a life that is in order' 0 $?; then
	ktap_diag "$(cat "$work/log")"
	ktap_bail 'there is no picture of it'
fi
ktap_ok_if 'the text shows how a thread is created' shows 'kthread_create_on_node()' \
	'--wakes--> kthreadd  (kthread_create_list has a request)' 'kthreadd: runs' \
	'kernel_thread(kthread)' '--forks--> life' 'life: kthread()' \
	'complete(&done)' 'until it is first woken' '# echo start life' '--wakes--> life' 'threadfn() begins'
ktap_ok_if 'and how it is parked, unparked and stopped' shows '# echo park life' 'kthread_park()' \
	'kthread_parkme()' 'complete(&parked)' 'kthread_park() returns 0' 'kthread_unpark()  --wakes--> life' \
	'kthread_stop()' 'do_exit()' 'complete(&exited)' 'kthread_stop() returns 0'
ktap_ok_if 'and how a worker does what is queued' shows '# rmmod kthread_worker' 'rmmod: kthread_queue_work()' \
	'rmmod: kthread_insert_work()  (sched_kthread_work_queue_work)' '--wakes--> heart' 'heart: runs on CPU' \
	'heart: work->func() begins  (sched_kthread_work_execute_start)' 'heart: complete(&done)' \
	'heart: work->func() has returned  (sched_kthread_work_execute_end)'
ktap_ok_if 'the picture is well-formed and small enough for docs' python3 -c '
import os, sys, xml.dom.minidom
xml.dom.minidom.parse(sys.argv[1])
sys.exit(os.path.getsize(sys.argv[1]) > 150000)' "$work/trace/lifecycle.svg"
ktap_eq 'the page has them all' "$(grep -c '<circle' "$work/trace/lifecycle.svg")" "$(grep -c '<circle' "$work/trace/lifecycle.html")"
ktap_finished
