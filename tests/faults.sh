#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Allocation failures: each allocation of creating a worker or loading the module fails
# once, then all at once. After each failure everything is as before, and the next attempt
# gets further.
#
# ksft-cmdline: kmemleak=on
# Stacks come from vmalloc, which complains if it fails.
# ksft-allow-splat: ^kthreadd: vmalloc error:
# ksft-timeout: 100

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"
. "$(dirname "$0")/lib/kmemleak.sh"

SLABS=/sys/kernel/debug/failslab
PAGES=/sys/kernel/debug/fail_page_alloc
KTHREADD=2

# The function of the system call, whose name has that of the architecture.
DELETE_MODULE=$(grep -o '\<__[a-z0-9]*_sys_delete_module$' /proc/kallsyms | grep -v '^__\(do\|se\|ia32\)_')

# Kernel functions below which allocations fail, or do not.
FUNCTIONS="kthread_create_on_node debugfs_create_dir __debugfs_create_file copy_process
	kvrealloc_node_align_noprof full_proxy_write do_one_initcall $DELETE_MODULE __alloc_object"

# set_range WORD FUNCTION: sets WORD-start and WORD-end to the range of a kernel function.
set_range()
{
	# shellcheck disable=SC2046 # These are two addresses.
	set -- "$@" $(awk -v name="$2" '
		$3 == name { start = $1 }
		start && $1 != start { print "0x" start, "0x" $1; exit }' /tmp/symbols)
	[ $# -eq 4 ] || ktap_bail "the kernel has no function $2"
	echo "$3" >"$SLABS/$1-start"
	echo "$4" >"$SLABS/$1-end"
}

# only_in FUNCTION: from now on only its allocations fail.
only_in()
{
	set_range require "$1"
	# No allocation has this order.
	echo 32 >$PAGES/min-order
}

# sweep TASK OPERATION [UNDO]...: lets each allocation fail in turn, and sets $errnos to the results.
sweep()
{
	failnth "$@" >/tmp/errnos
	ktap_eq "$2: what fails changes nothing" 0 $? || ktap_diag "$(cat /tmp/errnos)"
	ktap_diag "$(sort /tmp/errnos | uniq -c)"
	errnos=$(sort -u /tmp/errnos | xargs)
	rm /tmp/errnos
}

# without_memory COMMAND...: runs it with all allocations failing that only_in selects.
without_memory()
{
	echo 100 >$SLABS/probability
	(
		echo 1 >/proc/self/make-it-fail
		"$@"
	)
	without_status=$?
	echo 0 >$SLABS/probability
	return $without_status
}

# no_thread NAME: whether there is no kernel thread of that name.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
no_thread()
{
	[ -z "$(thread_state "$1")" ]
}

if [ ! -d $SLABS ] || [ ! -d $PAGES ] || [ ! -e $SLABS/require-start ]; then
	ktap_skip_all 'allocations do not fail in this kernel: it lacks FAILSLAB, FAIL_PAGE_ALLOC or the stacktrace filter'
fi

ktap_plan 32

# shellcheck disable=SC2046,SC2086 # Each is a pattern.
grep -A 4 $(printf -- '-e \\<%s$ ' $FUNCTIONS) /proc/kallsyms >/tmp/symbols
# Allocations that may sleep fail as well, and without a message in the log.
for faults in $SLABS $PAGES; do
	echo N >"$faults"/ignore-gfp-wait
	echo 0 >"$faults"/verbose
	echo Y >"$faults"/task-filter
	echo -1 >"$faults"/times
done
# Exempt kmemleak's own allocations, as it has a reserve.
kmemleak_begin && set_range reject __alloc_object

# All callers, and single pages as well.
demo_load workers=0
echo 0 >$PAGES/min-order
sweep self 'create swept' 'stop swept'
ktap_match '... and some do fail' '*ENOMEM*' "$errnos"
sweep self 'run swept kind=periodic cpu=0 nice=5' 'stop swept'
ktap_match '... and some do fail' '*ENOMEM*' "$errnos"

# One place after the other, which shows that each is reached.
for function in kthread_create_on_node debugfs_create_dir __debugfs_create_file; do
	only_in $function
	sweep self 'create swept' 'stop swept'
	ktap_eq "... and all in $function do fail" ENOMEM "$errnos"
done
only_in copy_process
sweep $KTHREADD 'create swept' 'stop swept'
ktap_match '... and some when kthreadd forks do fail' '*ENOMEM*' "$errnos"
ktap_ok_if 'no thread is left' wait_for 10 no_thread swept
ktap_eq 'what failed is not measured' "create $(total created)" "$(sed -n 's/^\(create [0-9]*\) .*/\1/p' "$DEMO/latency")"
demo_unload

# Code that retries survives the failure of a single allocation.
demo_load workers=0
only_in kvrealloc_node_align_noprof
ktap_eq 'there is no room for another thread in the table' ENOMEM "$(without_memory control 'create a')"
only_in full_proxy_write
do_all 'create a'
ktap_eq 'without any memory no worker can be created' ENOMEM "$(without_memory control 'create b')"
ktap_eq '... which is counted' '2 2' "$(total create_failed) $(total commands_rejected)"
for command in 'start a' 'wake a' 'park a' 'unpark a' 'stop a'; do
	ktap_eq "$command" OK "$(without_memory control "$command")"
done
do_all 'create a' 'run b'
ktap_eq 'not all workers can be stopped at once' ENOMEM "$(without_memory control stop-all)"
ktap_eq '... and none is' 'a b created running' "$(workers) $(value a state) $(value b state)"
ktap_eq '... and no creation has failed' '2 3' "$(total create_failed) $(total commands_rejected)"
only_in "$DELETE_MODULE"
ktap_ok_if 'but the module can be unloaded' without_memory rmmod "$MODULE"
ktap_ok_if 'nothing is left' demo_is_gone

# Only the module's part of a load; the rest is the kernel's.
only_in do_one_initcall
sweep self 'load workers=1' unload
ktap_match '... and some do fail' '*ENOMEM*' "$errnos"
ktap_ok_if 'no thread is left' wait_for 10 no_thread w0
ktap_ok_if 'nothing is left' demo_is_gone

kmemleak_end
ktap_finished
