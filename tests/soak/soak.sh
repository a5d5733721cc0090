#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# ksft-timeout: 300
# Run by `make soak`, for SOAK_MINUTES: random commands that are compared with a model, many
# writers and readers, loads and unloads of the module, and CPU hotplug, all at once. Prints
# a line a minute. Any failure ends it. At the end there are as many threads and slab objects
# as at the beginning.
#
# The writers open files during the unload: see upstream/debugfs-going-module.
# ksft-allow-splat: WARNING: .*full_proxy_open_regular\+

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"
# The counters and the clock of the guest's runner.
# shellcheck source=qemu/run-tests.sh
. /lib/run-tests.sh

minutes=${SOAK_MINUTES:-1}
seed=${FUZZ_SEED:-1}
slowness=${KSFT_SLOWNESS:-1}
last=$(($(nproc) - 1))
switch=/sys/devices/system/cpu/cpu$last/online
module_file=/lib/modules/$(uname -r)/$MODULE.ko
place=/tmp/soak
commands=0
loads=0
failures=0

# failed TEXT: reports a failure, which ends the soak.
failed()
{
	ktap_diag "$*"
	failures=$((failures + 1))
}

# has_failed: whether anything has failed, including complaints of the kernel.
has_failed()
{
	read_counters
	moved=$(changes "$counters_before" "$counters")
	[ -z "$moved" ] || failed "kernel counters changed: $moved"
	[ "$failures" -gt 0 ] || [ -e $place/failed ]
}

# publish: updates the numbers of the line that is printed each minute.
publish()
{
	echo "$commands $loads" >$place/new
	mv $place/new $place/progress
}

# hundredths: sets $now to the time since the boot in hundredths of a second.
hundredths()
{
	read -r now _ </proc/uptime
	now=${now%.*}${now#*.}
}

# plug_always: takes the last CPU offline and online until it is ended.
plug_always()
{
	plugged=0
	while [ ! -e $place/over ]; do
		hundredths
		began=$now
		if ! echo 0 >"$switch" || ! echo 1 >"$switch"; then
			echo "CPU $last does not go offline and online" >$place/failed
			return
		fi
		plugged=$((plugged + 1))
		echo $plugged >$place/new_plugged
		mv $place/new_plugged $place/plugged
		# Hotplug stops all CPUs. Leave the other jobs as much time again.
		hundredths
		usleep $(((now - began) * 10000))
	done
}

# begin_plugging: starts plug_always if there is such a CPU.
begin_plugging()
{
	rm -f $place/over
	plugger=
	[ "$last" -eq 0 ] || [ ! -w "$switch" ] || {
		plug_always &
		plugger=$!
	}
}

# end_plugging: ends it with all CPUs online.
end_plugging()
{
	: >$place/over
	[ -z "$plugger" ] || wait "$plugger"
}

# so_far: the work done so far, and the current memory and workers.
so_far()
{
	read -r done_commands done_loads <$place/progress
	read -r done_plugged <$place/plugged
	set -- "$DEMO"/workers/*/
	[ -d "$1" ] || shift
	echo "$done_commands commands, $done_loads loads, CPU $last $done_plugged times offline, $failures failures;" \
		"$(field MemAvailable: /proc/meminfo) available, $(field Slab: /proc/meminfo) in slab, $# workers"
}

# say_each_minute: prints the lines.
say_each_minute()
{
	minute=1
	set_deadline 60
	while [ ! -e $place/over ]; do
		sleep 1
		before_deadline && continue
		ktap_diag "minute $minute: $(so_far)"
		minute=$((minute + 1))
		deadline=$((deadline + 60))
	done
}

# run_fuzz: runs commands against the model, while all files are read.
run_fuzz()
{
	modprobe "$MODULE" workers=0 max_workers=8 || failed 'the module does not load'
	loads=$((loads + 1))
	observe >$place/observed &
	reader=$!
	given=$((2000 / slowness))
	fuzz "$seed" $given 8 $((last + 1)) $((last > 0 ? last : 1)) >$place/fuzzed ||
		failed "commands from the seed $seed: $(cat $place/fuzzed)"
	kill $reader
	wait $reader || failed "reading: $(cat $place/observed)"
	rmmod "$MODULE" || failed 'the module does not unload'
	commands=$((commands + given))
	seed=$((seed + 1))
	publish
}

# run_storm: runs many writers, and unloads the module whenever possible.
run_storm()
{
	storm "$module_file" 16 4 $((24 / slowness)) >$place/stormed || failed "many writers: $(cat $place/stormed)"
	rmmod "$MODULE" || failed 'the module does not unload'
	loads=$((loads + 1 + $(sed -n 's/^unloaded //p' $place/stormed)))
	commands=$((commands + $(awk '/^[a-z-]*:/ { for (i = 3; i <= NF; i += 2) n += $i } END { print n }' $place/stormed)))
	publish
}

run_both()
{
	modprobe kthread_hotplug || failed 'the module with per-CPU threads does not load'
	run_fuzz
	has_failed && return
	run_storm
	rmmod kthread_hotplug || failed 'the module with per-CPU threads does not unload'
	has_failed
}

# objects: the slab caches with their numbers of objects, after freeing what is freeable.
# Without CONFIG_SLUB_DEBUG, the pages of all caches and of the stacks.
objects()
{
	for _ in 1 2 3; do
		sync
		echo 3 >/proc/sys/vm/drop_caches
		for cache in /sys/kernel/slab/*/shrink; do
			echo 1 >"$cache"
		done
		sleep 1
	done
	if [ -r /proc/slabinfo ]; then
		# Skip the cache of DEBUG_OBJECTS, which grows with the processes of user space.
		awk 'NR > 2 && $1 != "debug_objects_cache" { print $1, $2, $4 }' /proc/slabinfo
	else
		awk '$1 == "SUnreclaim:" || $1 == "KernelStack:" { print $1, $2 / 4, 4096 }' /proc/meminfo
	fi >"$1"
}

# threads: all kernel threads except those of workqueues, which come and go.
threads()
{
	ps -o ppid,pid,args | awk '$1 == 2 && $3 !~ /^\[kworker/ { print $2 $3 }' | xargs
}

mkdir $place
echo 0 0 >$place/progress
echo 0 >$place/plugged
read_counters
counters_before=$counters

ktap_plan 4

# First make all allocations that are never freed.
begin_plugging
run_both
end_plugging
threads_before=$(threads)
objects $place/objects_before
commands=0
loads=0
publish
echo 0 >$place/plugged
ktap_diag "seed $seed, $minutes minutes, $(field MemAvailable: /proc/meminfo) available, $(field Slab: /proc/meminfo) in slab"

set_deadline $((minutes * 60))
begin_plugging
say_each_minute &
ticker=$!
while before_deadline && ! run_both; do
	:
done
end_plugging
wait $ticker
[ ! -e $place/failed ] || failed "$(cat $place/failed)"
has_failed
ktap_diag "in total: $(so_far)"
ktap_eq 'nothing has failed' 0 $failures

ktap_ok_if 'the module is gone' demo_is_gone
ktap_eq 'there are the same kernel threads as at first' "$threads_before" "$(threads)"
objects $place/objects_after
awk 'NR == FNR { before[$1] = $2; next }
	$2 > before[$1] { print $1, $2 - before[$1], before[$1] + 0, ($2 - before[$1]) * $3 }' \
	$place/objects_before $place/objects_after >$place/grown
ktap_diag 'slab caches with more objects than at first: name, how many more, how many at first, bytes'
ktap_diag "$(cat $place/grown)"
# A leak in each load, or in each of the many commands, exceeds this. A few dozen objects may
# be in per-CPU caches.
limit=$((loads > 64 ? loads : 64))
ktap_eq "no slab cache has $limit objects more than at first" '' "$(awk -v limit=$limit '$2 >= limit' $place/grown)"
rm -r $place
ktap_finished
