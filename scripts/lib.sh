# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Functions and variables that the host scripts share. Sourced, never run.
#
# shellcheck disable=SC2034 # the variables are for the scripts that source this

# A script restarts itself with only these variables of the caller, so that no other
# variable affects a build, a guest, or the parsing of a program's output. A documented
# variable has to be listed here.
KEPT="PATH HOME TERM USER LOGNAME TMPDIR XDG_CACHE_HOME RUSTUP_HOME SUDO_ASKPASS CI
	http_proxy https_proxy ftp_proxy all_proxy no_proxy
	HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
	KERNEL KERNEL_SRC KDIR LLVM RUSTC BINDGEN LIBCLANG_PATH V CONFIG PRUNE
	SMP MEM BOOT LIMIT SEED TESTS MINUTES JUNIT SUITE WITH
	SCRIPT COMMAND MODULE SHARE SHARE_RW OUT NAME DIR BUG GDB_PORT SYMBOLS QEMU_ACCEL BUILDS MUTANT SAMPLE
	FUZZ_SEED FUZZ_COUNT HOTPLUG_COUNT STORM_SEED STORM_SECONDS LAB_GIVEN LAB_GOALS
	INSTALL_MOD_PATH INSTALL_MOD_DIR INSTALL_MOD_STRIP LAB LAB_ARCH"

# The PID stays the same through exec, so this distinguishes the restarted script from
# the scripts that it starts.
if [ "${LAB_DOOR:-}" != $$ ]; then
	set -- /bin/sh -- "$0" "$@"
	for _name in $KEPT; do
		eval "[ -z \"\${$_name:-}\" ] || set -- \"$_name=\$$_name\" \"\$@\""
	done
	exec env -i LAB_DOOR=$$ LC_ALL=C.UTF-8 "$@"
fi
unset LAB_DOOR

# plain_path PATH: whether it has only characters that make, kbuild, the compilers and QEMU
# take literally. The cache needs such a path; other paths are copied or refused.
plain_path()
{
	case $1 in
	'' | *[!A-Za-z0-9/._+@-]*) return 1 ;;
	esac
}

PLAIN="letters, digits and . _ + @ - only"

# usable PATH: whether it is a directory that can be written, and has a plain path.
usable()
{
	plain_path "$1" && [ -d "$1" ] && [ -w "$1" ]
}

if [ -n "${TMPDIR:-}" ] && ! usable "$TMPDIR"; then
	printf '%s\n' "TMPDIR is not a writable directory with a path of $PLAIN: using /tmp" >&2
	unset TMPDIR
fi

# The oldest tools that linux 7.2 and 7.3 accept, from their scripts/min-tool-version.sh;
# needed before there is a tree.
MIN_RUSTC=1.85.0
MIN_BINDGEN=0.71.1
# Older ones lose fields of structures with libclang 22 or newer.
BINDGEN_OF_LLVM_22=0.72.1
MIN_LLVM=17.0.1
MIN_KERNEL=7.2

TOP=$(cd -- "$(dirname -- "$0")/.." && pwd)
[ -f "$TOP/scripts/lib.sh" ] || {
	echo "the path of this checkout ends with a line break, which few programs support: rename it" >&2
	exit 1
}
. "$TOP/qemu/project.conf"
CACHE=${XDG_CACHE_HOME:-${HOME:?HOME is not set: set it or XDG_CACHE_HOME}/.cache}/$PROJECT_CACHE

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# arch ARCH KEY: a value from qemu/arch/ARCH.conf.
arch()
{
	conf "$TOP/qemu/arch/$1.conf" "$2"
}

# archs: the architectures that a guest can have.
archs()
{
	# Without a glob, as some callers run with set -f.
	_archs=$(find "$TOP/qemu/arch" -name '*.conf' 2>/dev/null | sed 's|.*/||; s|\.conf$||' | LC_ALL=C sort)
	# shellcheck disable=SC2086 # on one line
	echo $_archs
}

# arch_that_is KEY VALUE: prints the architecture with this value, or fails.
arch_that_is()
{
	for _arch in $(archs); do
		if [ "$(arch "$_arch" "$1")" = "$2" ]; then
			echo "$_arch"
			return
		fi
	done
	return 1
}

# is_arch WORD: whether it is one of the architectures.
is_arch()
{
	for _arch in $(archs); do
		[ "$_arch" != "$1" ] || return 0
	done
	return 1
}

# host_arch: the architecture of this machine. Most callers have run need_host, which sets it.
host_arch()
{
	if [ -n "${_host:-}" ]; then
		echo "$_host"
	else
		arch_that_is MACHINE "$(uname -m)"
	fi
}

# need_host: dies unless the lab supports this machine.
need_host()
{
	_machine=$(uname -m)
	[ "$(getconf LONG_BIT)" = 64 ] || _machine="$_machine with a user space of 32 bit"
	_host=$(arch_that_is MACHINE "$_machine")
	[ -n "$_host" ] ||
		die "this machine is $_machine, and the lab only works on $(archs | sed 's/ / and /g'): use such a machine with Debian 12 or 13"
}

# need_arch ARCH: dies unless this is the architecture of this machine.
need_arch()
{
	need_host
	[ "$_host" = "$1" ] || die "this machine is $_machine, and this only works on $1"
}

# The name of a kernel is FRAGMENT, or FRAGMENT@ARCH for a foreign architecture, with +HASH
# appended if it has extra options. These functions split it.
fragment_of()
{
	_fragment=${1%%+*}
	echo "${_fragment%%@*}"
}

arch_of()
{
	_name=${1%%+*}
	case $_name in
	*@*) echo "${_name#*@}" ;;
	*) host_arch ;;
	esac
}

# arch_of_config CONFIG: the architecture of a kernel with this configuration.
arch_of_config()
{
	for _arch in $(archs); do
		if grep -qx "$(arch "$_arch" OPTION)=y" "$1" 2>/dev/null; then
			echo "$_arch"
			return
		fi
	done
	return 1
}

# cross ARCH: the prefix of the compiler commands for it, empty for this machine's own architecture.
cross()
{
	[ "$1" = "$(host_arch)" ] || arch "$1" CROSS
}

check_cache()
{
	plain_path "$CACHE" || die "the cache's path '$CACHE' is not made of $PLAIN, and kbuild takes no others: set XDG_CACHE_HOME to a path that is"
	case $CACHE in
	/*) ;;
	*) die "XDG_CACHE_HOME must be an absolute path, not '$XDG_CACHE_HOME'" ;;
	esac
	[ -d "$CACHE" ] || need_writable
}

make_cache()
{
	check_cache
	# Other users may read the cache.
	umask 022
	mkdir -p "$CACHE" 2>/dev/null || need_writable
}

# need_writable: dies unless the cache is writable. A complete cache of another user may be
# read-only.
need_writable()
{
	_place=$(nearest "$CACHE")
	[ -d "$_place" ] && [ -w "$_place" ] && [ -x "$_place" ] && return
	die "the cache $CACHE is not writable for $(id -un 2>/dev/null || id -u), and lacks something: set XDG_CACHE_HOME to your own directory"
}

# nearest PATH: its deepest directory that exists.
nearest()
{
	_nearest=$1
	while [ ! -e "$_nearest" ] && [ "$_nearest" != / ]; do
		_nearest=$(dirname "$_nearest")
	done
	echo "$_nearest"
}

# need_build: dies unless this checkout's build/ is writable.
need_build()
{
	if [ ! -d "$TOP/build" ]; then
		[ -w "$TOP" ] || die "$TOP is not writable for $(id -un 2>/dev/null || id -u): work in your own checkout"
		return
	fi
	_locked=$(find "$TOP/build" \( -type d -o -name lock \) ! -writable -print 2>/dev/null | head -n 1)
	[ -z "$_locked" ] ||
		die "$_locked is not writable for $(id -un 2>/dev/null || id -u), as a run of $(stat -c %U "$_locked" 2>/dev/null) made it: have build/ removed or given to you (sudo chown -R $(id -u) build)"
}

# new_directory PREFIX: makes a directory for the cache, readable for other users.
new_directory()
{
	_new=$(mktemp -d "$1.XXXXXX") && chmod 755 "$_new" && echo "$_new"
}

# link_tree TREE DIR: makes DIR a copy of TREE in which each file is a link.
link_tree()
{
	find "$2" -mindepth 1 -delete
	cp -rs "$1/." "$2" || die "no room for the links in $2"
}

# need_space DIR MIB WHAT: dies if there is less room, before the work starts.
need_space()
{
	_free=$(df -Pk "$(nearest "$1")" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "${_free:-0}" -ge "$2" ] ||
		die "$3 needs $2 MiB in $1, which has $_free MiB free: make room or set XDG_CACHE_HOME to another disk"
}

# version_ok HAVE MIN: whether HAVE is MIN or newer.
version_ok()
{
	[ -n "$1" ] && printf '%s\n' "$2" "$1" | sort -C -V
}

# version_of COMMAND...: the first x.y or x.y.z in the output of "COMMAND --version".
version_of()
{
	"$@" --version 2>/dev/null | sed -n '/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9.]*\).*/ { s//\1/p; q }'
}

# llvm_tool LLVM NAME: the command that kbuild runs with this LLVM=.
llvm_tool()
{
	case $1 in
	*/) printf '%s\n' "$1$2" ;;
	-*) printf '%s\n' "$2$1" ;;
	*) printf '%s\n' "$2" ;;
	esac
}

# compiler_of CONFIG: the compiler that a fragment or a kernel's configuration asks for: gcc,
# clang, or clang-of-rustc, which is a clang of the LLVM that rustc has.
compiler_of()
{
	case $(grep -xE 'CONFIG_(CC_IS_GCC|RUST_INLINE_HELPERS)=y' "$1" 2>/dev/null) in
	*GCC*) echo gcc ;;
	*INLINE*) echo clang-of-rustc ;;
	*) echo clang ;;
	esac
}

# conf FILE OPTION: its value in a kernel's configuration, without quotes.
conf()
{
	sed -n "s/^$2=//p" "$1" | sed 's/^"\(.*\)"$/\1/'
}

# first_errors LOG: prints the first errors of a kernel build.
first_errors()
{
	grep -nE '(^|[^a-z_-])(error|Error)(\[E[0-9]+\])?:|\*\*\*|No space left|Killed' "$1" | head -n 8
}

# kernel_series VERSION: the series of a Debian version, as 7.3 of 7.3.4-1; nothing for other text.
kernel_series()
{
	printf '%s\n' "$1" | sed -n 's/^\([0-9]*\.[0-9]*\)[.~-].*/\1/p'
}

# kernel_package NAME: the Debian package of the kernel NAME, if it is one.
kernel_package()
{
	sed -n 's/^# Package: //p' "$TOP/qemu/config/$(fragment_of "$1").config" 2>/dev/null
}

# other_release: the supported Debian release that this machine does not run.
other_release()
{
	case $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null) in
	trixie) echo bookworm ;;
	*) echo trixie ;;
	esac
}

hash_of()
{
	sha256sum | cut -c 1-12
}

# try_lock FD FILE: takes the lock on FILE, which is open as FD, or fails if another
# process has it. Any other error of flock ends the script.
try_lock()
{
	_said=$(flock -n -E 200 "$1" 2>&1)
	case $? in
	0) return 0 ;;
	200) return 1 ;;
	esac
	die "failed to lock $2: ${_said:-flock failed}: put it on a file system that supports locks"
}

# lock FILE NAME: allows one run at a time in the cache; a second one says so and waits.
# Descriptor 8 stays open, and the lock held, until the script ends. Its children get the
# descriptor closed, so that none of them holds the lock after the script.
lock()
{
	(: >>"$1") 2>/dev/null || die "$2: $1 is not writable for $(id -un): have it removed, or set XDG_CACHE_HOME to your own directory"
	exec 8>>"$1"
	try_lock 8 "$1" && return
	say "$2: waiting for another run to end ($1)"
	flock 8 || die "$2: failed to wait for the lock on $1"
}

# A prefix for a command: the kernel ends it when the script ends, even by kill -9.
ATTACHED=
! command -v setpriv >/dev/null || ATTACHED="setpriv --pdeathsig TERM --"

# attached COMMAND...: runs it with that prefix, and without the locks.
attached()
{
	$ATTACHED "$@" 8>&- 9>&-
}

# build COMMAND...: runs a build that others share, with no variable of the caller except
# PATH and a few like it. Everything that it starts ends with it, or with the script.
# shellcheck disable=SC2016 # the inner shell expands
build()
{
	set -- env -i PATH="$PATH" HOME="${HOME:-/}" ${RUSTUP_HOME:+RUSTUP_HOME="$RUSTUP_HOME"} \
		${TMPDIR:+TMPDIR="$TMPDIR"} LC_ALL=C.UTF-8 "$@"
	# Not a function: its subshell would be the parent that pdeathsig watches.
	$ATTACHED sh -c '
		setsid "$@" &
		group=$!
		trap "kill -KILL -$group 2>/dev/null; exit 143" TERM
		wait $group
		status=$?
		kill -KILL -$group 2>/dev/null
		exit $status' sh "$@" </dev/null 8>&- 9>&- &
	BUILD=$!
	wait $BUILD
}

end_build()
{
	[ -n "${BUILD:-}" ] || return 0
	kill "$BUILD" 2>/dev/null && wait "$BUILD" 2>/dev/null
}

# took PHASE SECONDS: records the time of a phase that was not skipped; measure.py puts
# the records into the README's table.
took()
{
	mkdir -p "$CACHE/took" && echo "$2" >"$CACHE/took/$1"
}

# work_in DIR: how much of a kernel has been built in it, in C files; a crate counts as a
# dozen.
work_in()
{
	find "$1" -name '*.o' -printf '1\n' -o -path '*/rust/*' \
		\( -name '*.rmeta' -o -name '*.rlib' -o -name '*.so' -o -name '*_generated.rs' \) -printf '12\n' 2>/dev/null |
		awk '{ n += $1 } END { print n + 0 }'
}

# progress_start LABEL TOTAL COUNT: prints the progress of a long step, every second in
# one line on a terminal, otherwise as a line every ten seconds. COUNT is a command that
# prints how much of TOTAL is done; with TOTAL 0 the line only has the elapsed time. The
# step itself stays in the foreground, where Ctrl-C reaches it.
progress_start()
{
	progress_loop "$@" &
	PROGRESS=$!
	trap progress_stop EXIT
	trap 'end_build; progress_stop; say "interrupted: run it again to continue from here"; exit 130' INT TERM HUP
}

# nothing: the COUNT of a step with unknown progress.
nothing()
{
	echo 0
}

progress_stop()
{
	[ -n "${PROGRESS:-}" ] || return 0
	# SIGKILL, as a trapped signal is lost until the loop has cleared the inherited traps.
	kill -KILL "$PROGRESS" 2>/dev/null
	wait "$PROGRESS" 2>/dev/null
	PROGRESS=
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

progress_loop()
{
	# This loop must not hold the locks after the step ends.
	exec 8>&- 9>&-
	_start=$(date +%s)
	_first=$($3)
	_pause=10
	[ ! -t 2 ] || _pause=1
	_passed=0
	# The loop ends soon after its script, and its sleep with it.
	while attached sleep 1 >/dev/null 2>&1 && read -r _pid _name _state _ 2>/dev/null <"/proc/$$/stat" && [ "$_state" != Z ]; do
		_passed=$((_passed + 1))
		[ $((_passed % _pause)) -eq 0 ] || continue
		_line=$(progress_line "$1" "$2" "$_first" "$($3)" $(($(date +%s) - _start)))
		if [ -t 2 ]; then
			printf '\r\033[K%s' "$_line" >&2
		else
			say "$_line"
		fi
	done
}

# progress_line LABEL TOTAL FIRST DONE SECONDS
progress_line()
{
	if [ "$2" -eq 0 ] || [ "$4" -le "$3" ]; then
		echo "$1: $5 s"
		return
	fi
	_percent=$(($4 * 100 / $2))
	# The total is an estimate that does not include the last steps.
	if [ $_percent -ge 99 ]; then
		echo "$1: nearly done, $5 s so far"
		return
	fi
	# The first tenth does not predict the rest.
	if [ $_percent -lt 10 ]; then
		echo "$1: $_percent %, $5 s so far"
		return
	fi
	_left=$((($2 - $4) * $5 / ($4 - $3)))
	if [ $_left -ge 90 ]; then
		echo "$1: $_percent %, about $(((_left + 30) / 60)) min left"
	else
		echo "$1: $_percent %, about $_left s left"
	fi
}
