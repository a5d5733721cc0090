#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compares the results of tests/programs/compare.c about processes, threads and kernel
# threads with clone(2), pthreads(7) and articles on kernel threads.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

found=/tmp/compare

# cells WAY KEY...: these values, on one line.
cells()
{
	way=$1
	shift
	awk -F '\t' -v way="$way" -v keys="$*" '
		$1 == way { value[$2] = $3 }
		END {
			count = split(keys, key, " ")
			for (n = 1; n <= count; n++)
				printf "%s%s", n == 1 ? "" : ", ", key[n] in value ? value[key[n]] : "nothing"
		}' "$found"
}

# column KEY: the values of all ways, a line each.
column()
{
	awk -F '\t' -v key="$1" '$2 == key { print $3 }' "$found"
}

# has_pids WAY TEST...: whether TEST succeeds with its pid, tgid and ppid in $1 to $3, and
# those of the caller in $4 to $6.
# shellcheck disable=SC2317 # It is called by ktap_ok_if.
has_pids()
{
	way=$1
	condition=$2
	# shellcheck disable=SC2046 # Each number is a word.
	set -- $(cells "$way" pid tgid ppid | tr -d ,) $(cells 'the caller' pid tgid ppid | tr -d ,)
	[ $# -eq 6 ] && eval "[ $condition ]"
}

# shares NAME WAY EXPECTED: memory, files, directory, handlers, nice value.
shares()
{
	ktap_eq "$1" "$3" "$(cells "$2" memory files cwd handlers nice)"
}

# ends NAME WAY EXPECTED: what SIGTERM does, and which task reaps it.
ends()
{
	ktap_eq "$1" "$3" "$(cells "$2" SIGTERM reaper)"
}

# shellcheck disable=SC2016 # It expands in has_pids.
child='-a $1 -ne $4 -a $1 -eq $2'
ktap_plan 40

demo_load workers=0
compare >"$found"
ktap_eq 'all of it is found out' 0 $? || ktap_diag "$(tail -n 3 "$found")"
demo_unload

# fork(2): a copy of everything, with a new PID.
ktap_ok_if 'fork(2): a process of its own, a child of the caller' has_pids 'fork()' "\$3 -eq \$4 $child"
shares 'fork(2): a copy of everything' 'fork()' 'own, own, own, own, own'
ends 'fork(2): the caller waits for it' 'fork()' 'ends it alone, the caller'
ktap_eq 'fork(2): it has a line in ps' '{fork} compare' "$(cells 'fork()' ps)"

# clone(2), flag by flag: each flag shares one thing and nothing else.
way='clone(CLONE_VM)'
ktap_ok_if 'CLONE_VM: a process of its own' has_pids "$way" "\$3 -eq \$4 $child"
shares 'CLONE_VM: runs in the same memory space' "$way" 'shared, own, own, own, own'
ends 'CLONE_VM: dies alone all the same' "$way" 'ends it alone, the caller'
way='clone(CLONE_FS)'
ktap_ok_if 'CLONE_FS: a process of its own' has_pids "$way" "\$3 -eq \$4 $child"
shares 'CLONE_FS: chdir() of one affects the other' "$way" 'own, own, shared, own, own'
ends 'CLONE_FS: dies alone' "$way" 'ends it alone, the caller'
way='clone(CLONE_FILES)'
ktap_ok_if 'CLONE_FILES: a process of its own' has_pids "$way" "\$3 -eq \$4 $child"
shares 'CLONE_FILES: a file descriptor of one is valid in the other' "$way" 'own, shared, own, own, own'
ends 'CLONE_FILES: dies alone' "$way" 'ends it alone, the caller'
way='clone(CLONE_VM|CLONE_SIGHAND)'
ktap_ok_if 'CLONE_SIGHAND: a process of its own' has_pids "$way" "\$3 -eq \$4 $child"
shares 'CLONE_SIGHAND: sigaction() of one affects the other' "$way" 'shared, own, own, shared, own'
ends 'CLONE_SIGHAND: signals are still sent to one' "$way" 'ends it alone, the caller'
way='clone(CLONE_PARENT)'
ktap_ok_if 'CLONE_PARENT: a sibling of the caller' has_pids "$way" "\$3 -eq \$6 $child"
ktap_eq 'CLONE_PARENT: its parent is that of the caller' "the caller's parent" "$(cells "$way" parent)"
shares 'CLONE_PARENT: shares nothing else' "$way" 'own, own, own, own, own'
ends "CLONE_PARENT: the caller's parent is told of its end" "$way" "ends it alone, the caller's parent"
way='clone(CLONE_VM|CLONE_SIGHAND|CLONE_THREAD)'
ktap_ok_if 'CLONE_THREAD: getpid() is that of the caller, gettid() is not' has_pids "$way" "\$1 -ne \$4 -a \$2 -eq \$5"
ktap_ok_if 'CLONE_THREAD: the parent is that of the caller' has_pids "$way" "\$3 -eq \$6"
shares 'CLONE_THREAD: files and directory are not part of it' "$way" 'shared, own, own, shared, own'
ends 'CLONE_THREAD: a signal ends the thread group; nobody is told of the end of a thread' "$way" \
	'ends the process, nobody has to'
ktap_eq 'CLONE_THREAD: ps shows it when asked for threads' 'ps -T: {thread} compare' "$(cells "$way" ps)"

# pthreads(7): threads share a process ID and everything except the nice value, which POSIX
# wants shared as well.
way='pthread_create()'
ktap_ok_if 'pthreads(7): getpid() is the same in all threads, gettid() differs' \
	has_pids "$way" "\$1 -ne \$4 -a \$2 -eq \$5"
ktap_ok_if 'pthreads(7): the parent process ID is the same' has_pids "$way" "\$3 -eq \$6"
shares 'pthreads(7): all is shared, and the nice value is per thread' "$way" 'shared, shared, shared, shared, own'
ends 'pthreads(7): what is done by a signal is done to the process' "$way" 'ends the process, nobody has to'
ktap_eq 'pthreads(7): ps shows it when asked for threads' 'ps -T: {pthread} compare' "$(cells "$way" ps)"

# A kernel thread is made by kthreadd, and inherits nothing from the task that asked for it.
way='a kernel thread'
ktap_ok_if 'kernel thread: a task of its own, a child of kthreadd' has_pids "$way" "\$3 -eq 2 $child"
ktap_eq 'kernel thread: the parent' kthreadd "$(cells "$way" parent)"
shares 'kernel thread: no memory, no files, no handlers' "$way" 'none, none, not shared, ignores all, own'
ends 'kernel thread: a signal does nothing, and nobody waits for it' "$way" 'nothing, nobody has to'
ktap_eq 'kernel thread: ps shows its name in brackets' '[kthread]' "$(cells "$way" ps)"

# Side by side.
ktap_eq 'no two tasks have the same number' '' "$(column pid | sort | uniq -d)"
ktap_eq 'nine ways, and the caller' 10 "$(column pid | wc -l)"
ktap_eq 'the nice value is nobody else'\''s' own "$(column nice | sort -u)"
ktap_eq 'threads, and none but threads, are only shown by ps -T' 'ps -T: {pthread} compare, ps -T: {thread} compare' \
	"$(column ps | grep '^ps -T' | sort | xargs | sed 's/ ps -T/, ps -T/')"
rm "$found"
ktap_finished
