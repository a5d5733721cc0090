# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# busybox has read -t, and guest.conf sets what is not set here.
# shellcheck disable=SC3045,SC2154
#
# Runs the tests in the guest and reports on them; sourced by init.sh. /etc/tests.list
# holds a line `NAME LIMIT` for each test: its name and its limit in seconds.
#
# Each test runs alone, and the host judges it by the reports. The kernel log gets a marker
# before and after each, so that the host can attribute complaints. The first test that
# breaks the guest ends this boot; the host runs the rest in a fresh one.

# TAINT_OOT_MODULE, TAINT_UNSIGNED_MODULE and TAINT_TEST are harmless.
TAINT_HARMLESS=$((1 << 12 | 1 << 13 | 1 << 18))

# The kernel's counters, each a file that holds a number. KCSAN counts its reports as
# warnings, even those without a module. The settings that mute the console must not change,
# either.
counter_files=
for file in /proc/sys/kernel/tainted /sys/kernel/warn_count /sys/kernel/oops_count \
	/sys/kernel/rcu_stall_count /sys/kernel/softlockup_count /sys/kernel/hardlockup_count \
	/proc/sys/kernel/hung_task_detect_count /sys/module/printk/parameters/ignore_loglevel \
	/proc/sys/kernel/printk; do
	case $file in
	*/warn_count) [ ! -e /sys/kernel/debug/kcsan ] || continue ;;
	esac
	[ ! -r "$file" ] || counter_files="$counter_files $file"
done

# read_field NAME FILE KEY: appends ` NAME=VALUE` to $counters, from a line `KEY VALUE`.
read_field()
{
	[ -r "$2" ] || return 0
	value=$(grep -m 1 "$3" "$2") || return 0
	counters="$counters $1=${value##* }"
}

read_counters()
{
	counters=
	# Files in /proc/sys need a single read(2), and the shell's read does several.
	# shellcheck disable=SC2046,SC2086 # the names and the values are words
	set -- $(cat $counter_files)
	for file in $counter_files; do
		name=${file##*/}
		value=$1
		shift
		case $name in
		tainted) value=$((value & ~TAINT_HARMLESS)) ;;
		printk)
			# The first of four numbers.
			name=console_loglevel
			[ "$value" -le 7 ] || value=7
			shift 3
			;;
		esac
		counters="$counters $name=$value"
	done
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
# Call it in a subshell only, which becomes cat.
processes()
{
	# Some may exit during the listing.
	exec cat /proc/[0-9]*/stat 2>/dev/null
}

# The processes of this script, which belong to no test.
own=

# read_inventory: sets $inventory to every process, kernel thread (except kworkers, which
# come and go), module and debugfs entry.
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
		*)
			case " $own " in
			*" $pid "*) ;;
			*) inventory="$inventory process:$comm:$pid" ;;
			esac
			;;
		esac
	done
	unset IFS
	while read -r name _; do
		inventory="$inventory module:$name"
	done </proc/modules
	for dir in /sys/kernel/debug/* /sys/kernel/debug/kunit/*; do
		[ -e "$dir" ] && inventory="$inventory debugfs:$dir"
	done
}

# left_behind BEFORE: prints the items of $inventory that are not in BEFORE.
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

# set_deadline SECONDS: sets the deadline for before_deadline, rounded up to whole seconds.
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

# settle BEFORE: waits until the kernel has released everything new, at most $settle
# seconds, and not after an oops since $counters_before: the task that died releases nothing.
settle()
{
	set_deadline $((settle * factor))
	while :; do
		read_inventory
		left=$(left_behind "$1")
		[ -n "$left" ] && before_deadline || return 0
		read -r oopses </sys/kernel/oops_count
		case "$counters_before " in
		*" oops_count=$oopses "*) ;;
		*) return 0 ;;
		esac
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
	# Usually the group is empty.
	kill -KILL "-$1" 2>/dev/null || return 0
	set_deadline $((2 * factor))
	while group_alive "$1"; do
		before_deadline || return 1
		usleep 50000
	done
}

# whereabouts PGID: prints processes of the group, no more than the host has patience for, each with its state and where it
# is in the kernel, innermost function first.
whereabouts()
{
	processes | grep -m 8 ") [^Z] [0-9]* $1 " | while read -r pid rest; do
		state=${rest##*) }
		printf '%s %s) %s' "$pid" "${rest%)*}" "${state%% *}"
		# It may have ended since.
		awk '{ sub(/\+.*/, "", $2); printf " %s", $2 }' "/proc/$pid/stack" 2>/dev/null
		printf ', '
	done
}

# indent: copies lines, indented by two columns.
indent()
{
	while IFS= read -r line || [ -n "$line" ]; do
		printf '  %s\n' "$line"
	done
}

# await_copy: waits until $reader has copied everything. A process that left the group may keep its source open, or write
# to it for ever. So waiting ends once the reader has done nothing but sleep for 2 seconds, and after 6 seconds in any case
# (times $factor), before the host gives up.
await_copy()
{
	set_deadline $((6 * factor))
	last=$deadline
	seen=
	while processes | grep -q "^$reader (.*) [^Z] "; do
		activity=$(grep -e '(running)' -e ctxt_switches "/proc/$reader/status" 2>/dev/null)
		# It has slept since if nothing differs and it does not run.
		if [ "$activity" != "$seen" ] || [ "${activity#*(running)}" != "$activity" ]; then
			set_deadline $((2 * factor))
			[ "$deadline" -le "$last" ] || deadline=$last
			seen=$activity
		fi
		before_deadline || break
		usleep 10000
	done
	kill -KILL "$reader" 2>/dev/null
	wait "$reader"
}

# more_facts: further checks after a script. A report of a leak counts against the script.
more_facts()
{
	[ -z "$leaks" ] || leaks_end
	[ -z "$coverage" ] || {
		cat /sys/kernel/debug/lab_coverage/reached
		printf '%s' "$trailer"
	} >"$coverage"
}

# execute NAME LIMIT DIR COMMAND...: runs COMMAND in DIR, in its own process group, for at
# most LIMIT seconds (0: no limit), and reports the facts for the verdict to the host under
# NAME: the exit status (or `timeout`, `stuck` if SIGKILL does not end it, or `lost`), where
# it was after its limit, the changed counters and what was left behind. Sets $status, and
# $broken if the guest is unusable.
#
# The output of COMMAND goes to descriptors 5 and 6; it inherits none from 3 on. $reader is
# the process that copies the output, or empty.
execute()
{
	test=$1
	limit=$2
	shift 2
	rm -f /run/status
	mkfifo /run/status
	own=$reader
	read_counters
	counters_before=$counters
	read_inventory
	inventory_before=$inventory
	echo "kdemo-test: begin $test" >/dev/kmsg
	say "begin $test $limit"
	# The status comes through a separate pipe, so that an end without a status is noticed at
	# once. The test itself must not hold it open.
	# shellcheck disable=SC2016 # the inner shell expands these
	setsid sh -c '
		exec 7>/run/status
		cd "$1" || exit
		shift
		"$@" 7>&-
		echo "$?" >&7
	' run "$@" </dev/null >&5 2>&6 3>&- 4>&- 5>&- 6>&- &
	group=$!
	# The copy ends when all processes have closed its source.
	[ -z "$reader" ] || exec 5>&- 6>&-
	own="$reader $group"
	uptime_seconds
	started=$now
	status=
	exec 7</run/status
	if [ "$limit" = 0 ]; then
		read -r status <&7 || status=lost
	elif ! read -r -t "$limit" status <&7; then
		uptime_seconds
		if [ $((now - started)) -ge "$limit" ]; then
			status=timeout
		else
			status=lost
		fi
	fi
	exec 7<&-
	left=
	where=
	case $status in
	# Leftovers of a killed test do not count.
	timeout) where=$(whereabouts "$group") ;;
	*) settle "$inventory_before" ;;
	esac
	await_group_end "$group" || status=stuck
	if [ -n "$reader" ]; then
		await_copy
	else
		more_facts
	fi
	own=
	read_counters
	moved=$(changes "$counters_before" "$counters")
	echo "kdemo-test: end $test" >/dev/kmsg
	say "fact $test status $status"
	[ -z "$moved" ] || say "fact $test counters ${moved%, }"
	[ -z "$where" ] || say "fact $test where ${where%, }"
	[ -z "$left" ] || say "fact $test left ${left%, }"
	say "end $test"
	broken=
	case $status/$moved in
	timeout/* | stuck/* | *oops_count* | *debug_locks* | *lockup_count* | *hung_task* | *rcu_stall* | \
		*loglevel*) broken=yes ;;
	esac
	[ -z "$left" ] || broken=yes
}

# run_tests FD: runs every test of the list, with KTAP to FD. Its result lines only show the
# exit statuses; the host has the other facts.
run_tests()
{
	total=0
	while read -r test _; do
		total=$((total + 1))
	done </etc/tests.list
	printf 'KTAP version 1\n1..%d\n' "$total" >&"$1"
	number=0
	result=0
	while read -r test limit <&8; do
		number=$((number + 1))
		rm -f /run/output
		mkfifo /run/output
		indent </run/output >&"$1" 3>&- 4>&- 8<&- &
		reader=$!
		exec 5>/run/output 6>&5
		execute "$test" "$limit" /tmp sh "/tests/$test.sh" 8<&-
		case $status in
		0) echo "ok $number $test" ;;
		4) echo "ok $number $test # SKIP" ;;
		*)
			echo "not ok $number $test"
			result=1
			;;
		esac >&"$1"
		[ -z "$broken" ] || result=1
		if [ -n "$broken" ] && [ "$number" -lt "$total" ]; then
			echo "Bail out! $test broke this guest" >&"$1"
			return 1
		fi
	done 8</etc/tests.list
	return "$result"
}

# run_script: runs /script, with its output to descriptors 5 and 6. The host limits its time.
run_script()
{
	reader=
	execute script 0 /root /script
	# Output may still be on its way; the trailer marks its end.
	printf '%s' "$trailer" >&5
	printf '%s' "$trailer" >&6
}
