#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: boot-installed.sh RELEASE
#
# For test-distro.sh, within its root: boots a copy of that root from a disk, with its own
# kernel RELEASE, initramfs and systemd, and runs tests of this checkout there, with the
# module in /lib/modules. Prints their output; fails unless all of them pass.

. "$(dirname "$0")/lib.sh"

release=${1:?usage: boot-installed.sh RELEASE}
TESTS_THERE="reference lifecycle errnos commands unload"
place=$TOP/build/installed
image=$(find "/boot/vmlinuz-$release" "/usr/lib/modules/$release/vmlinuz" 2>/dev/null | head -n 1)
initrd=$(find "/boot/initrd.img-$release" "/usr/lib/modules/$release/initrd" 2>/dev/null | head -n 1)
if [ -z "$image" ] || [ -z "$initrd" ]; then
	die "there is no kernel $release with an initramfs in /boot"
fi
rm -rf "$place"
mkdir -p "$place/root" || exit 1

progress_start "installed: copying the root" 0 nothing
# Leave out compilers and caches: everything is built.
tar -C / --one-file-system --exclude=./proc/\* --exclude=./sys/\* --exclude=./dev/\* --exclude=./run/\* --exclude=./tmp/\* \
	--exclude=./root --exclude=./home --exclude=./var/cache/\* --exclude=./var/lib/apt --exclude=./var/lib/dkms/\* \
	--exclude=./usr/src --exclude=./usr/lib/gcc --exclude=./usr/lib/llvm-\* --exclude=./usr/lib/rustlib --exclude=./usr/libexec/gcc \
	--exclude=./usr/share/doc --exclude=./usr/share/locale --exclude=./usr/include --exclude=./usr/share/qemu -cf - . |
	tar -C "$place/root" -xf - || die "no room for a copy of the root in $place"
mkdir -p "$place/root/check/bin" "$place/root/root" "$place/root/home"
cp -R "$TOP/tests" "$TOP/docs" "$place/root/check"
cp "$TOP/build/programs/test-programs" "$place/root/check/bin"
for source in "$TOP"/tests/programs/*.c; do
	ln -s test-programs "$place/root/check/bin/$(basename "$source" .c)"
done
echo "options $PROJECT_MODULE workers=3 max_workers=64" >"$place/root/etc/modprobe.d/$PROJECT_MODULE.conf"

cat >"$place/root/check/run" <<-END
	#!/bin/busybox sh
	export PATH=/check/bin:/usr/sbin:/usr/bin KSFT_SLOWNESS=8
	# The tests are written for busybox, and kmod is the distribution's own.
	for name in \$(/bin/busybox --list); do
		case \$name in
		modprobe | rmmod | lsmod | insmod | depmod | modinfo) ;;
		*) [ -e "/check/bin/\$name" ] || ln -s /bin/busybox "/check/bin/\$name" ;;
		esac
	done
	cd /check
	echo "running: \$(uname -r), PID 1 is \$(cat /proc/1/comm)"
	modprobe $PROJECT_MODULE
	echo "options: status \$?, \$(ls /sys/kernel/debug/$PROJECT_MODULE/workers | grep -c .) workers"
	modprobe -r $PROJECT_MODULE
	echo "removed: status \$?, \$(grep -c ^$PROJECT_MODULE /proc/modules) left"
	rm /etc/modprobe.d/$PROJECT_MODULE.conf
	for test in $TESTS_THERE; do
		sh tests/\$test.sh
		echo "\$test: status \$?"
	done
	echo "taint: \$(cat /proc/sys/kernel/tainted)"
	dmesg | grep -E 'WARNING:|BUG:|Oops' | sed 's/^/complaint: /'
	echo "end"
END
chmod +x "$place/root/check/run"
cat >"$place/root/etc/systemd/system/check.service" <<-END
	[Unit]
	After=systemd-modules-load.service sys-kernel-debug.mount
	[Service]
	Type=oneshot
	ExecStart=/check/run
	StandardOutput=tty
	StandardError=tty
	TTYPath=/dev/ttyS1
	ExecStopPost=/usr/bin/systemctl poweroff --force --force
END
mkdir -p "$place/root/etc/systemd/system/multi-user.target.wants"
ln -sf ../check.service "$place/root/etc/systemd/system/multi-user.target.wants/check.service"
size=$(($(du -sm "$place/root" | cut -f 1) * 5 / 4 + 200))
mke2fs -q -t ext4 -d "$place/root" "$place/disk" "${size}M" >"$place/mke2fs.log" 2>&1 ||
	die "no file system could be made: $(tail -n 1 "$place/mke2fs.log")"
rm -rf "$place/root"
progress_stop

say "installed: booting $release from a disk of $size MiB, with systemd"
progress_start "installed: running" 0 nothing
attached timeout 900 qemu-system-x86_64 -M q35 -accel tcg -cpu max -smp 2 -m 1024 -nodefaults -no-user-config -display none \
	-no-reboot -kernel "$image" -initrd "$initrd" -append "root=/dev/vda rw console=ttyS0 panic=-1 mitigations=off no_timer_check" \
	-drive "file=$place/disk,if=virtio,format=raw,cache=unsafe" \
	-serial "file:$place/console.log" -serial "file:$place/report.log" >"$place/qemu.log" 2>&1
progress_stop
rm -f "$place/disk"
tr -d '\r' <"$place/report.log"
bad=$(tr -d '\r' <"$place/report.log" | grep -E '^not ok|^complaint|^(options|removed|[a-z]*): status [^0]|^Bail' | head -n 1)
[ -z "$bad" ] || die "it did not hold ($bad); the logs are in $place"
tr -d '\r' <"$place/report.log" | grep -qx end || die "it did not come to its end; the logs are in $place"
tr -d '\r' <"$place/report.log" | grep -qx "options: status 0, 3 workers" || die "the options of /etc/modprobe.d did not count; the logs are in $place"
say "installed: all of it held on $release"
