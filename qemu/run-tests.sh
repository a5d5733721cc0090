# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # init.sh sets factor and settle
#
# busybox has read -t, and guest.conf sets settle and factor.
# shellcheck disable=SC3045,SC2154
#
# The guest's test runner, read by init.sh. /etc/tests.list holds a line
# `NAME LIMIT EXPECTS` for each test: its name, its limit in seconds and whether
# it declares a kernel complaint (yes or no).
#
# Each test is run by itself and then judged: its own exit status, its time, the
# kernel's counters and what it left behind. The kernel log gets a marker before
# and after each, so that the host can blame what it finds there. The first test
# that broke the guest ends this boot; the host runs the rest in a fresh one.

# TAINT_OOT_MODULE, TAINT_UNSIGNED_MODULE and TAINT_TEST say nothing bad.
TAINT_HARMLESS=$((1 << 12 | 1 << 13 | 1 << 18))

# read_value NAME FILE: appends ` NAME=VALUE` to $counters if the file is there.
# Files in /proc/sys must be read in one read(2), which the shell's own does not.
read_value()
{
	[ -r "$2" ] || return 0
	value=$(cat "$2")
	[ "$1" != tainted ] || value=$((value & ~TAINT_HARMLESS))
	counters="$counters $1=$value"
}

# read_field NAME FILE KEY: likewise from a line `KEY VALUE`.
read_field()
{
	[ -r "$2" ] || return 0
	value=$(grep -m 1 "$3" "$2") || return 0
	counters="$counters $1=${value##* }"
}

read_counters()
{
	counters=
	read_value tainted /proc/sys/kernel/tainted
	# KCSAN counts its reports as warnings, even those in which no module has a part.
	[ -e /sys/kernel/debug/kcsan ] || read_value warn_count /sys/kernel/warn_count
	for name in oops_count rcu_stall_count softlockup_count hardlockup_count; do
		read_value "$name" "/sys/kernel/$name"
	done
	read_value hung_task_detect_count /proc/sys/kernel/hung_task_detect_count
	read_field debug_locks /proc/lockdep_stats debug_locks:
	read_field debug_objects_warnings /sys/kernel/debug/debug_objects/stats warnings
	read_field kcsan_assert_failures /sys/kernel/debug/kcsan assert_failures
}

# changes BEFORE AFTER: prints what differs between two lists of NAME=VALUE.
changes()
{
	for item in $2; do
		name=${item%%=*}
		for old in $1; do
			[ "${old%%=*}" = "$name" ] && [ "$old" != "$item" ] &&
				printf '%s %s -> %s, ' "$name" "${old#*=}" "${item#*=}"
		done
	done
}

newline='
'

# processes: prints the line /proc/PID/stat of every process and kernel thread.
# To be called in a subshell only, which it turns into cat.
processes()
{
	# Some may go while they are being listed.
	exec cat /proc/[0-9]*/stat 2>/dev/null
}

# read_inventory: sets $inventory to what is alive: every process and kernel
# thread but kworkers, which come and go, every module and debugfs entry.
read_inventory()
{
	inventory=
	IFS=$newline
	for stat in $(processes); do
		pid=${stat%% *}
		comm=${stat#*(}
		comm=${comm%)*}
		# After the name come the state and the parent.
		rest=${stat##*) }
		state=${rest%% *}
		rest=${rest#* }
		case "${rest%% *} $state $comm" in
		'1 R cat') ;; # the lister itself
		'2 '?' kworker/'*) ;;
		'2 '*) inventory="$inventory thread:[$comm]:$pid" ;;
		*) inventory="$inventory process:$comm:$pid" ;;
		esac
	done
	unset IFS
	IFS=$newline
	# shellcheck disable=SC2013 # IFS makes these lines, and the loop must not be a subshell
	# shellcheck disable=SC2013 # IFS makes it lines
	for line in $(cat /proc/modules); do
		inventory="$inventory module:${line%% *}"
	done
	unset IFS
	for dir in /sys/kernel/debug/* /sys/kernel/debug/kunit/*; do
		[ -e "$dir" ] && inventory="$inventory debugfs:$dir"
	done
}

# left_behind BEFORE: prints what $inventory has that BEFORE has not.
left_behind()
{
	for item in $inventory; do
		case " $1 " in
		*" $item "*) ;;
		*) printf '%s, ' "$item" ;;
		esac
	done
}

uptime_seconds()
{
	read -r now _ </proc/uptime
	now=${now%.*}
}

# set_deadline SECONDS: for before_deadline; rounded up to the clock of whole seconds.
set_deadline()
{
	uptime_seconds
	deadline=$((now + $1 + 1))
}

before_deadline()
{
	uptime_seconds
	[ "$now" -lt "$deadline" ]
}

# settle BEFORE: waits until the kernel has let go of everything new, at most
# $settle seconds.
settle()
{
	set_deadline $((settle * factor))
	while :; do
		read_inventory
		left=$(left_behind "$1")
		[ -n "$left" ] && before_deadline || return 0
		usleep 50000
	done
}

# group_alive PGID: whether a process of the group is left, zombies not counted.
group_alive()
{
	# After the name come the state, the parent and the group.
	processes | grep -q ") [^Z] [0-9]* $1 "
}

# await_group_end PGID: kills the group and waits until it is gone.
await_group_end()
{
	kill -KILL "-$1" 2>/dev/null
	set_deadline $((2 * factor))
	while group_alive "$1"; do
		before_deadline || return 1
		usleep 50000
	done
}

# indent: copies the lines of a test two columns further in.
indent()
{
	while IFS= read -r line || [ -n "$line" ]; do
		printf '  %s\n' "$line"
	done
}

# execute NAME LIMIT FD: runs the test, its lines going to FD, and sets $status
# to its exit status, `timeout`, `stuck` (it cannot even be killed) or `lost`.
execute()
{
	rm -f /run/output /run/status
	mkfifo /run/output /run/status
	indent </run/output >&"$3" 3>&- 4>&- &
	reader=$!
	# The status comes through a pipe of its own: its end without a word is
	# then known at once. The test itself must not hold it open.
	# shellcheck disable=SC2016 # the inner shell expands
	# shellcheck disable=SC2016 # the inner shell expands these
	setsid sh -c '
		exec 7>/run/status
		cd /tmp || exit
		sh "/tests/$1.sh" </dev/null >/run/output 2>&1 7>&-
		echo "$?" >&7
	' run "$1" 3>&- 4>&- &
	group=$!
	uptime_seconds
	started=$now
	status=
	exec 7</run/status
	# shellcheck disable=SC3045 # busybox has -t
	if ! read -r -t "$2" status <&7; then
		uptime_seconds
		if [ $((now - started)) -ge "$2" ]; then
			status=timeout
		else
			status=lost
		fi
	fi
	exec 7<&-
	if ! await_group_end "$group"; then
		status=stuck
		kill -KILL "$reader"
	elif [ "$status" = timeout ]; then
		# A process that left the group may still hold the output open.
		kill -KILL "$reader" 2>/dev/null
	fi
	wait "$reader"
}

# judge NAME LIMIT EXPECTS: sets $verdict to the end of the result line and
# $broken if the guest is of no more use after this test.
judge()
{
	verdict="ok $number $1"
	bad="not ok $number $1"
	broken=
	case $status in
	0) ;;
	1) verdict=$bad ;;
	4) verdict="ok $number $1 # SKIP" ;;
	timeout) verdict="$bad # TIMEOUT $2 seconds" broken=yes ;;
	stuck) verdict="$bad # TIMEOUT $2 seconds, and it could not be killed" broken=yes ;;
	lost) verdict="$bad # ERROR status: its exit status was lost" ;;
	*) verdict="$bad # ERROR status: it exited with $status" ;;
	esac
	moved=$(changes "$counters_before" "$counters")
	if [ -n "$moved" ] && [ "$3" = no ]; then
		verdict="$bad # ERROR counters: ${moved%, }"
	fi
	case $moved in
	*oops_count* | *debug_locks* | *lockup_count* | *hung_task* | *rcu_stall*) broken=yes ;;
	esac
	if [ -n "$left" ]; then
		# The first cause counts: what broke the test may have left this behind.
		case $verdict in
		ok*) verdict="$bad # ERROR left-behind: ${left%, }" ;;
		esac
		broken=yes
	fi
}

# run_tests FD: runs every test of the list, KTAP going to FD.
run_tests()
{
	total=0
	while read -r test _; do
		total=$((total + 1))
	done </etc/tests.list
	printf 'KTAP version 1\n1..%d\n' "$total" >&"$1"
	number=0
	result=0
	while read -r test limit expects <&8; do
		number=$((number + 1))
		read_counters
		counters_before=$counters
		read_inventory
		inventory_before=$inventory
		echo "kdemo-test: begin $test" >/dev/kmsg
		say "begin $test $limit"
		execute "$test" "$limit" "$1" 8<&-
		left=
		case $status in
		# What a test leaves behind that was killed says nothing.
		timeout | stuck) ;;
		*) settle "$inventory_before" ;;
		esac
		read_counters
		echo "kdemo-test: end $test" >/dev/kmsg
		judge "$test" "$limit" "$expects"
		say "end $test"
		echo "$verdict" >&"$1"
		case $verdict in
		not*) result=1 ;;
		esac
		if [ -n "$broken" ] && [ "$number" -lt "$total" ]; then
			echo "Bail out! $test broke this guest" >&"$1"
			return 1
		fi
	done 8</etc/tests.list
	return "$result"
}
