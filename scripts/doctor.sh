#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: doctor.sh KDIR [NAME]
#
# Says what is missing or wrong on this machine and with KDIR, and how to fix it. Changes
# nothing. Fails if "make demo KERNEL=NAME" would not run; it asks the very scripts that
# would run then.

. "$(dirname "$0")/lib.sh"

kdir=${1:?usage: doctor.sh KDIR [NAME]}
name=${2:-fast}
bad=0

good()
{
	printf 'ok       %s\n' "$*"
}

note()
{
	printf 'note     %s\n' "$*"
}

wrong()
{
	bad=$((bad + 1))
	printf 'PROBLEM  %s\n' "$*"
}

finish()
{
	if [ "$bad" -gt 0 ]; then
		echo "$bad to mend"
		exit 1
	fi
	echo "nothing to mend"
	exit 0
}

# check COMMAND...: whether that script succeeds, which changes nothing. $said has its
# output.
check()
{
	if said=$("$@" 2>&1); then
		return 0
	fi
	said=$(printf '%s\n' "$said" | tail -n 1)
	wrong "${said#*: }"
	return 1
}

# All that follows depends on these.
check need_host || finish
check "$TOP/scripts/kernel-options.sh" "$name" || finish
check check_cache || finish
check need_build

said=$("$TOP/scripts/setup.sh" --check "$name" 2>&1) || bad_setup=yes
tab='	'
missing=$(printf '%s\n' "$said" | grep "$tab")
printf '%s\n' "$missing" | while IFS=$tab read -r package why; do
	[ -z "$package" ] || note "missing package $package: $why"
done
if [ -n "${bad_setup:-}" ]; then
	said=$(printf '%s\n' "$said" | tail -n 1)
	wrong "${said#*: }"
else
	if [ -n "$missing" ]; then
		note "'make demo' lists and installs these"
	else
		good "programs: all there"
	fi
	compiler=$("$TOP/scripts/kernel-options.sh" "$name" | compiler_of -)
	if [ -n "$(kernel_package "$name")" ]; then
		note "compilers: those that the kernel $name was built with, unpacked into the cache if they are not installed"
	elif tools=$("$TOP/scripts/toolchain.sh" --explain "$compiler" "$(arch_of "$name")" 2>/dev/null); then
		printf '%s\n' "$tools" | while read -r line; do
			case $line in
			"passed over: "*) note "$line" ;;
			*) good "$line" ;;
			esac
		done
	fi
fi

if [ -d "$CACHE" ]; then
	good "cache: $CACHE, on a disk with $(df -Pk "$CACHE" | awk 'NR == 2 { print int($4 / 1024) }') MiB free (remove it to start over)"
else
	good "cache: $CACHE, still empty"
fi

if [ -n "$(kernel_package "$name")" ]; then
	check "$TOP/scripts/build-kernel.sh" --check "$name"
elif check "$TOP/scripts/kernel-source.sh" --check; then
	if [ -z "$said" ]; then
		good "kernel tree: not there yet; 'make demo' fetches it from this machine's Debian mirror"
	else
		good "kernel tree: $said"
		# Which kernel that would be depends on the programs.
		[ -n "$missing" ] || [ -z "${tools:-}" ] || check "$TOP/scripts/build-kernel.sh" --check "$name"
	fi
fi

arch=$(arch_of "$name")
suffix=
[ "$arch" = "$(host_arch)" ] || suffix=@$arch
for fragment in "$TOP"/qemu/config/*.config; do
	kernel=$(basename "$fragment" .config)$suffix
	"$TOP/scripts/kernel-options.sh" "$kernel" >/dev/null 2>&1 || continue
	if [ -f "$TOP/build/$kernel/kernel/built" ]; then
		good "kernel $kernel: built"
	else
		note "kernel $kernel: not built yet; 'make demo KERNEL=$kernel' builds it"
	fi
done

if [ -n "$suffix" ]; then
	note "the guest is emulated, as its architecture is foreign"
elif [ -e /dev/kvm ]; then
	note "/dev/kvm exists; the first start of a guest tries whether it boots a kernel, and falls back to emulation"
else
	note "no /dev/kvm: the guest is emulated, which is fast enough"
fi

if said=$("$TOP/scripts/check-kdir.sh" "$kdir" 2>&1); then
	good "KDIR=$kdir: Rust modules can be built against it"
else
	# Only a plain "make" uses it; the lab does not.
	note "a plain 'make' would fail: ${said#*: }"
fi

finish
