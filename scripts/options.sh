#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: options.sh TARGET
#
# Checks the user's options for a target of make before anything is built: an option that
# does not work is refused in one line, with status 2. LAB_GIVEN has the names of the
# options on make's command line, LAB_GOALS all its targets.

. "$(dirname "$0")/lib.sh"

target=${1:?usage: options.sh TARGET}
# Values are not file patterns.
set -f

refuse()
{
	printf 'make %s: %s\n' "$target" "$(printf %s "$*" | tr '[:cntrl:]' '?')" >&2
	exit 2
}

# takes TARGET: the options that it takes, nothing for an unknown target.
takes()
{
	_build="KERNEL_SRC LLVM RUSTC BINDGEN LIBCLANG_PATH V"
	_kernel="KERNEL ARCH CONFIG $_build"
	_guest="$_kernel SMP MEM BOOT QEMU_ACCEL"
	_mine="$_guest MODULE"
	_tests="TESTS JUNIT FUZZ_SEED FUZZ_COUNT HOTPLUG_COUNT STORM_SEED STORM_SECONDS"
	case $1 in
	modules | modules_install) echo "KDIR ARCH MODULE $_build INSTALL_MOD_PATH INSTALL_MOD_DIR INSTALL_MOD_STRIP" ;;
	metadata) echo "KDIR V" ;;
	demo | watch) echo "$_guest" ;;
	test | test-all) echo "$_guest $_tests" ;;
	test-distro) echo "SUITE WITH KERNEL ARCH TESTS" ;;
	soak) echo "$_guest MINUTES STORM_SEED STORM_SECONDS" ;;
	bench) echo "$_kernel SEED" ;;
	trace | ports | compare | lint | rustdoc) echo "$_kernel QEMU_ACCEL" ;;
	kunit | patches) echo "KERNEL_SRC RUSTC BINDGEN LIBCLANG_PATH" ;;
	check-patches | build-matrix) echo "BUILDS KERNEL_SRC LLVM RUSTC BINDGEN LIBCLANG_PATH" ;;
	proofs) echo "KERNEL_SRC" ;;
	model) echo "RUSTC" ;;
	mutants) echo "MUTANT SAMPLE SEED KERNEL KERNEL_SRC RUSTC BINDGEN LIBCLANG_PATH" ;;
	upstream) echo "BUG QEMU_ACCEL $_build" ;;
	rust-analyzer) echo "$_kernel KDIR MODULE" ;;
	vm) echo "$_mine SCRIPT COMMAND LIMIT SHARE SHARE_RW OUT JUNIT" ;;
	coverage) echo "$_mine SCRIPT LIMIT" ;;
	shell) echo "$_mine SHARE SHARE_RW" ;;
	gdb) echo "$_mine SHARE SHARE_RW GDB_PORT SYMBOLS" ;;
	new-module) echo "NAME DIR $_guest" ;;
	doctor) echo "KDIR KERNEL ARCH $_build" ;;
	cache) echo PRUNE ;;
	esac
}

# among WORD WORDS
among()
{
	case " $2 " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# The Makefile passes ARCH as LAB_ARCH, as an ARCH in the environment is one for kbuild.
# shellcheck disable=SC2034 # value() looks at it
ARCH=${LAB_ARCH:-}

known=$(for _goal in $target ${LAB_GOALS:-}; do takes "$_goal"; done | tr '\n' ' ')
mine=$(takes "$target")
for name in ${LAB_GIVEN:-}; do
	[ -n "$mine" ] || break
	# The Makefile of a user's module sets LAB to find this one.
	among "$name" "$known LAB" ||
		refuse "there is no option $name here: it takes $mine"
	eval "[ -n \"\${$name:-}\" ]" ||
		refuse "$name is empty: give it a value, or leave it out"
done

# value NAME: sets $value to the value of an option. Fails if it has none, or if no target takes it.
value()
{
	among "$1" "$known" && eval "value=\${$1:-}" && [ -n "$value" ]
}

# whole NAME MIN MAX WHAT: refuses a value that is not a whole number in that range.
whole()
{
	value "$1" || return 0
	case $value in
	*[!0-9]*) ;;
	*)
		# More digits exceed all bounds, and what the shell is able to compare.
		_digits=$(printf %s "$value" | sed 's/^0*\(.\)/\1/')
		[ ${#_digits} -gt 10 ] || [ "$_digits" -lt "$2" ] || [ "$_digits" -gt "$3" ] || return 0
		;;
	esac
	refuse "$1='$value' is no $4: give a whole number from $2 to $3"
}

if value ARCH; then
	arch=$value
	is_arch "$arch" || refuse "there is no architecture '$arch' here: ARCH is one of $(archs)"
	case ${KERNEL:-}@ in
	*@*@"$arch"@) refuse "KERNEL='${KERNEL%@*}' names an architecture already: leave ARCH out" ;;
	esac
	[ "$(arch_of "${KERNEL:-fast}")" = "$arch" ] ||
		refuse "KERNEL='$KERNEL' is a kernel for another architecture than ARCH='$arch': leave one of the two out"
fi

if value KERNEL; then
	case $value in
	*/* | .*) refuse "there is no kernel '$value': see 'make help'" ;;
	esac
	said=$("$TOP/scripts/kernel-options.sh" "$value" 2>&1 >/dev/null) || refuse "${said#*: }"
fi

# The kernel silently ignores CPUs beyond its configured maximum.
if value SMP; then
	cpus=$("$TOP/scripts/kernel-options.sh" "${KERNEL:-fast}" | sed -n 's/^CONFIG_NR_CPUS=//p')
	# QEMU has a maximum, too.
	_most=$(sed -n 's/^MAX_CPUS = \([0-9]*\).*/\1/p' "$TOP/qemu/machine.py")
	[ "${cpus:-512}" -le "$_most" ] || cpus=$_most
	whole SMP 1 "$cpus" "number of CPUs that the kernel '${KERNEL:-fast}' can have"
fi

if value MEM; then
	case $value in
	*[KkMmGg]) number=${value%?} ;;
	*) number=$value ;;
	esac
	case $number in
	'' | *[!0-9]* | ????????????*) refuse "MEM='$value' is not a size of memory: give a number of MiB, or one with K, M or G" ;;
	esac
	number=$(printf %s "$number" | sed 's/^0*\(.\)/\1/')
	case $value in
	*[Kk]) mib=$((number / 1024)) ;;
	*[Gg]) mib=$((number * 1024)) ;;
	*) mib=$number ;;
	esac
	case $(fragment_of "${KERNEL:-fast}") in
	debug | kcsan) least=256 ;;
	*) least=96 ;;
	esac
	[ "$mib" -ge $least ] ||
		refuse "MEM='$value' is too little to boot the kernel '${KERNEL:-fast}': give at least $least (MiB)"
	host=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
	[ "$mib" -le "${host:-$mib}" ] ||
		refuse "MEM='$value' is more than this machine has: give at most $host (MiB)"
fi

whole MINUTES 1 99999 "number of minutes"
if [ "$target" = soak ] && ! value MINUTES; then
	refuse "MINUTES is missing: make soak MINUTES=N"
fi
if [ "$target" = new-module ] && ! value NAME; then
	refuse "NAME is missing: make new-module NAME=name [DIR=where]"
fi
whole LIMIT 1 999999 "number of seconds"
whole SAMPLE 1 999999 "number of mutants"
whole SEED 0 4294967295 "seed"
whole STORM_SECONDS 0 999999 "number of seconds"
whole STORM_SEED 0 4294967295 "seed"
whole FUZZ_SEED 0 4294967295 "seed"
whole FUZZ_COUNT 1 999999999 "number of commands"
whole HOTPLUG_COUNT 1 999999999 "number of rounds"
whole V 0 2 "level"
whole SHARE_RW 0 1 "switch"
whole SYMBOLS 0 1 "switch"

if value QEMU_ACCEL; then
	among "$value" "auto kvm tcg" || refuse "QEMU_ACCEL='$value' is unknown: give kvm, tcg or auto"
	[ "$value" != kvm ] || [ "$(arch_of "${KERNEL:-fast}")" = "$(host_arch)" ] ||
		refuse "QEMU_ACCEL=kvm: this machine does not run $(arch_of "${KERNEL:-fast}") guests with KVM; leave it out to emulate the guest"
	[ "$value" != kvm ] || [ -w /dev/kvm ] ||
		refuse "QEMU_ACCEL=kvm: /dev/kvm is missing or you may not open it; leave it out to emulate the guest"
fi

if value TESTS; then
	found=
	# The word for all tests in the guest is not matched by a pattern for the names of some.
	[ "$value" != guest ] || found=yes
	set +f
	for test in selfcheck "$TOP"/tests/*.sh "$TOP"/tests/host/*.sh; do
		test=${test#"$TOP/tests/"}
		# shellcheck disable=SC2254 # it is a pattern
		case ${test%.sh} in
		$value) found=yes ;;
		esac
	done
	set -f
	[ -n "$found" ] ||
		refuse "TESTS='$value' matches no test: give a pattern for the names of tests/*.sh, as 'work*', or guest for all of these, or selfcheck, or 'host/*'"
fi

if value BUG; then
	bugs=$(find "$TOP/upstream" -name report.md | sed 's,/report.md$,,; s,.*/,,' | LC_ALL=C sort | tr '\n' ' ')
	among "$value" "$bugs" || refuse "BUG='$value' is not a directory of upstream/: choose one of ${bugs% }"
fi

# readable NAME KIND TEST
readable()
{
	value "$1" || return 0
	test "$3" "$value" || refuse "$1='$value': there is no such $2"
	[ -r "$value" ] || refuse "$1='$value' may not be read"
}

readable SCRIPT file -f
readable MODULE directory -d
readable SHARE directory -d
if value MODULE && [ ! -f "$value/Kbuild" ] && [ ! -f "$value/Makefile" ]; then
	refuse "MODULE='$value' has neither a Kbuild nor a Makefile: name the directory of a module's source"
fi
if [ "$target" = vm ]; then
	[ -z "${SCRIPT:-}" ] || [ -z "${COMMAND:-}" ] ||
		refuse "SCRIPT and COMMAND are both given: choose one"
	[ -n "${SCRIPT:-}${COMMAND:-}" ] ||
		refuse "there is nothing to run: give SCRIPT=FILE or COMMAND='...'"
fi
if value SHARE_RW && ! value SHARE; then
	refuse "SHARE_RW needs SHARE=DIR"
fi
if value OUT; then
	place=$value
	while [ ! -e "$place" ] && [ "$place" != "${place%/*}" ]; do
		place=${place%/*}
	done
	[ -e "$place" ] || place=.
	[ -d "$place" ] || refuse "OUT='$value': '$place' is no directory"
	[ -w "$place" ] || refuse "OUT='$value': nothing can be written in '$place'"
fi

if value BOOT; then
	[ ${#value} -le 1000 ] || refuse "BOOT is longer than 1000 characters, and there is no room for more"
	case $value in
	*[![:print:]]*) refuse "BOOT has a character that does not belong in a line" ;;
	*\"*) refuse "BOOT: the kernel would take everything after a quote as one word: leave the quote out" ;;
	esac
	for word in $value; do
		case $word in
		console=* | init=* | rdinit=* | initrd=* | noinitrd | root=* | panic=* | reboot=* | virtio_mmio.* | \
			quiet | loglevel=* | debugfs=* | maxcpus=* | nr_cpus=* | nosmp | mem=* | memmap=* | \
			tsc=* | tsc_early_khz=* | lpj=* | sysctl.kernel.panic=* | sysctl.kernel.printk=* | --)
			refuse "BOOT: the lab sets '$word' itself: leave it out"
			;;
		esac
	done
fi

if value GDB_PORT; then
	[ "$value" = : ] || GDB_PORT=${value#:}
	whole GDB_PORT 1 65535 "port"
fi
if [ "$target" = gdb ]; then
	port=${GDB_PORT:-1234}
	# State 0A is LISTEN.
	! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -Eqi "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$port") [0-9A-F]+:0000 0A " ||
		refuse "the port $port is taken, perhaps by another guest that waits for a debugger: choose another with GDB_PORT="
fi
case $target in
shell | gdb | watch)
	[ -t 0 ] || refuse "there is no terminal for the guest: use make vm SCRIPT=FILE or COMMAND='...' for a non-interactive run"
	;;
esac
exit 0
