#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# PID 1 of the guest: sets up, does what /etc/guest.conf says, reports on the virtio
# port `status`, and ends the guest through the port `exit`: on "Vq" QEMU exits with the
# status 2 * V + 1.
#
# busybox has read -t.
# shellcheck disable=SC3045,SC1091,SC2154

export PATH=/bin HOME=/root TERM="${TERM:-linux}"

leave()
{
	case $1 in
	pass) code=16 ;;
	fail) code=17 ;;
	*) code=18 ;;
	esac
	! find_port exit || echo "${code}q" >"$port"
	# Only reached if the exit port does not work.
	echo "kdemo-init: the exit port did not end the guest"
	poweroff -f
}

say()
{
	echo "$*" >&3
}

# over: reports the end, and waits until the host has read the console up to this point.
# The kernel prints in the background, and ending the guest would cut the console and the
# other ports short. The host limits the time.
over()
{
	# The tests may have muted the console; that was recorded.
	echo Y >/sys/module/printk/parameters/ignore_loglevel
	echo "kdemo-test: over" >/dev/kmsg
	say "done"
	read -r _ <&3
}

die()
{
	echo "kdemo-init: $*"
	say "error $*"
	leave error
}

# find_port NAME: sets $port to the device of the virtio port of that name.
find_port()
{
	tries=500
	while [ "$tries" -gt 0 ]; do
		for dir in /sys/class/virtio-ports/*; do
			name=
			[ ! -r "$dir/name" ] || read -r name <"$dir/name"
			port=/dev/${dir##*/}
			[ "$name" = "$1" ] && [ -c "$port" ] && return 0
		done
		# The host announces the port shortly after the device.
		usleep 10000
		tries=$((tries - 1))
	done
	return 1
}

kmemleak=/sys/kernel/debug/kmemleak

# leaks_begin: clears kmemleak's results. Fails if kmemleak is not there or not on.
leaks_begin()
{
	[ -e "$kmemleak" ] || return 1
	(echo stack=on && echo clear) 2>/dev/null >"$kmemleak"
}

# leaks_end: prints the leaks since then to the kernel log, with the stacks of the first ones.
leaks_end()
{
	# kmemleak only reports objects that are older than 5 seconds and unchanged since the previous scan.
	echo scan >"$kmemleak"
	echo scan >"$kmemleak"
	sleep 6
	echo scan >"$kmemleak"
	# Open the file for each line: the kernel limits the rate of a single opener.
	head -n 60 "$kmemleak" | while IFS= read -r line; do
		printf '%s\n' "$line" >/dev/kmsg
	done
}

# One mount for all, as it takes long to start a program in an emulated guest.
printf '%s defaults 0 0\n' 'dev /dev devtmpfs' 'proc /proc proc' 'sys /sys sysfs' 'tmp /tmp tmpfs' 'run /run tmpfs' \
	'debugfs /sys/kernel/debug debugfs' >/etc/fstab
mount -a
# devtmpfs does not make these links.
cp -a /lib/dev/* /dev

# Enable KCSAN only now: booting has a known race. Ignore hrtimer_wakeup() as well, which
# races with every timed sleep, and kthread_stop() of a thread that is awake: the thread
# changes its PF_ flags while to_kthread() checks PF_KTHREAD.
if [ -e /sys/kernel/debug/kcsan ]; then
	for function in hrtimer_wakeup set_freezable do_exit exit_signals; do
		echo "!$function" >/sys/kernel/debug/kcsan
	done
	echo on >/sys/kernel/debug/kcsan
fi

# dl_server_timer() of 7.3 forwards its timer although the accounting of the running task
# may just have started it, and then warns; a slow host makes that likely. The server is
# also active in some boots only, which would distort `make bench`.
# See upstream/sched-deadline-server-timer.
for runtime in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do
	[ ! -e "$runtime" ] || echo 0 >"$runtime"
done

# Defaults for guest.conf: how slow this kernel is, how long to wait for late releases, and
# whether to look for leaks.
# shellcheck disable=SC2034 # run-tests.sh uses them
mode=error factor=1 settle=3 console='' share='' out='' leaks='' coverage='' trailer=''
# shellcheck source=/dev/null
. /etc/guest.conf
# For wait_for of tests/lib/ktap.sh.
export KSFT_SLOWNESS="$factor"

if [ "$mode" = silent ]; then
	# For the self-check: a guest that stays silent.
	while :; do
		sleep 1000
	done
fi
# Mounts the directory of the host under QEMU's name for it.
mount_share()
{
	mkdir /share
	mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$share" share /share
}

if [ "$mode" = shell ]; then
	[ -z "$share" ] || mount_share
	grep -q '\.resolution: 1 nsecs' /proc/timer_list ||
		echo "warning: the clock is coarse in this boot, latencies will mean nothing"
	[ -n "$console" ] ||
		echo "kernel $(uname -r); modprobe $module loads the module; Ctrl-A X leaves"
	if [ -n "$console" ]; then
		setsid cttyhack "$console"
	else
		setsid cttyhack sh -l
	fi
	leave pass
fi

exec 3>/dev/null
find_port status || leave error
exec 3<>"$port"
say "up"
if [ "$mode" = probe ]; then
	say "done"
	leave pass
fi

# The kernel switches to its final clock at a tick after it has found one, which on a busy
# host may still be to come. Report the resolution if it never does, as in one of hundreds
# of boots.
tries=100
while resolution=$(grep -m 1 '\.resolution:' /proc/timer_list) && [ "${resolution##*: }" != "1 nsecs" ]; do
	tries=$((tries - 1))
	if [ "$tries" -eq 0 ]; then
		resolution=${resolution##*: }
		grep -E '^(now|Tick Device|Clock Event Device)|mode|hres_active|check_clocks|nohz|idle_|event_handler' \
			/proc/timer_list | sed 's/^/kdemo-init: /' >/dev/kmsg
		say "clock ${resolution% nsecs}" \
			"$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" \
			"$(sed -n 's/^Clock Event Device: //p' /proc/timer_list | tr '\n' ' ')"
		leave error
	fi
	usleep 10000
done

case $mode in
tests)
	find_port ktap || die "no virtio port 'ktap'"
	exec 4>"$port"
	# shellcheck source=/dev/null
	. /lib/run-tests.sh
	if run_tests 4; then
		over
		leave pass
	fi
	over
	leave fail
	;;
script)
	find_port stdout || die "no virtio port 'stdout'"
	exec 5>"$port"
	find_port stderr || die "no virtio port 'stderr'"
	exec 6>"$port"
	[ -z "$share" ] || mount_share || die "the host's directory could not be mounted"
	if [ -n "$out" ]; then
		mkdir /out || die "no /out"
		mount -t tmpfs out /out || die "no /out"
	fi
	[ -n "$leaks" ] && leaks_begin || leaks=
	if [ -n "$coverage" ]; then
		find_port coverage || die "no virtio port 'coverage'"
		coverage=$port
		modprobe lab_coverage || die "lab_coverage does not load"
	fi
	# shellcheck source=/dev/null
	. /lib/run-tests.sh
	run_script
	if [ -n "$out" ]; then
		find_port out || die "no virtio port 'out'"
		exec 7>"$port"
		tar -C /out -cf - . >&7
		status=$?
		printf '%s' "$trailer" >&7
		say "out $status"
	fi
	over
	leave pass
	;;
*)
	die "unknown mode '$mode'"
	;;
esac
