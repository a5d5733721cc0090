#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: on a broken machine "make doctor" prints the same sentence with which the
# real run fails, and on this machine, which runs the tests, that there is nothing to fix.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$work"

# A separate checkout, as the tests hold the lock of this one.
lab=$work/lab
mkdir "$lab" "$work/home" "$work/bin"
(cd "$top" && tar -cf - --exclude=./build --exclude=./.git .) | tar -C "$lab" -xf - || exit 1

# An unprivileged user; the current one if that is not root.
other=
if [ "$(id -u)" -eq 0 ]; then
	other="setpriv --reuid=65534 --regid=65534 --clear-groups env TMPDIR=$work/home"
	chown -R 65534:65534 "$work/home"
fi

# fake NAME TEXT: puts a program with the script TEXT first on PATH.
fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# without NAME...: a PATH with all programs of this machine except these.
without()
{
	rm -rf "$work/few"
	mkdir "$work/few"
	find /usr/local/bin /usr/sbin /usr/bin /bin -maxdepth 1 -name '[!.]*' -exec ln -sf -t "$work/few" {} +
	for _name; do
		rm -f "$work/few/$_name"
	done
	path=$work/few
}

# A tree that looks like linux VERSION.
tree()
{
	rm -rf "$work/linux"
	mkdir -p "$work/linux/rust/kernel"
	: >"$work/linux/Kconfig"
	: >"$work/linux/Kbuild"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nNAME = x\n' "${1%.*}" "${1#*.}" >"$work/linux/Makefile"
}

# broken NAME WORDS [VARIABLE=VALUE...]: both end with the same sentence, which contains WORDS.
broken()
{
	name=$1
	words=$2
	shift 2
	# Run both at once: the doctor changes nothing, and the real run fails early.
	# shellcheck disable=SC2086 # $as is words
	(cd "$lab" && exec $as env -u MAKEFLAGS PATH="$path" "$@" scripts/doctor.sh /nowhere "$kernel") >"$work/said" 2>&1 </dev/null &
	# shellcheck disable=SC2086
	real=$(cd "$lab" && $as env -u MAKEFLAGS PATH="$path" "$@" setsid scripts/prepare.sh "$kernel" true 2>&1 </dev/null)
	status=$?
	wait $!
	doctor=$?
	said=$(cat "$work/said")
	last=$(printf '%s\n' "$real" | tail -n 1)
	last=${last#*: }
	case $last in
	*"$words"*)
		if [ $doctor -eq 1 ] && [ $status -ne 0 ] && printf '%s\n' "$said" | grep -qxF "PROBLEM  $last"; then
			ktap_pass "$name"
			return
		fi
		;;
	esac
	ktap_diag "expected '$words'
the real run (status $status): $last
the doctor (status $doctor): $said"
	ktap_fail "$name"
}

# as_other: runs as an unprivileged user from here on.
as_other()
{
	as=$other
	[ -z "$other" ] || chown -R 65534:65534 "$lab"
}

healthy()
{
	path=$work/bin:$PATH
	as=
	kernel=fast
	rm -f "$work"/bin/*
}

ktap_plan 23

healthy
said=$("$top/scripts/doctor.sh" /nowhere 2>&1)
ktap_eq "this machine is healthy" "0 nothing to mend" "$? $(printf '%s\n' "$said" | tail -n 1)"
why=$("$top/scripts/check-kdir.sh" /nowhere 2>&1 | sed 's/^check-kdir.sh: //')
ktap_match "and a KDIR that would not do is told of" "*note     a plain 'make' would fail: $why*" "$said"

fake uname 'echo mips64'
broken "another architecture" "this machine is mips64"
healthy
kernel=nonsense
broken "no such kernel" "there is no kernel 'nonsense'"
kernel=fast@nonsense
broken "no such architecture of a guest" "there is no architecture 'nonsense'"
healthy
kernel=debug
broken "LLVM that is not there" "LLVM=-3 is not usable" LLVM=-3
healthy
broken "RUSTC that is not there" "there is no such program" RUSTC=/nowhere/rustc
fake bindgen 'echo bindgen 0.60.1'
broken "BINDGEN that is too old" "is 0.60.1, and" BINDGEN="$work/bin/bindgen"
healthy
broken "LIBCLANG_PATH that is not there" "there is no libclang" LIBCLANG_PATH=/nowhere
broken "a cache with a blank in its path" "kbuild takes no others" XDG_CACHE_HOME="$work/a b"
broken "a cache by a relative path" "must be an absolute path" XDG_CACHE_HOME=cache
broken "no such KERNEL_SRC" "no such directory" KERNEL_SRC=/nowhere
broken "KERNEL_SRC that is no tree" "is not a linux source tree with Rust" KERNEL_SRC="$work/home"
tree 7.1
broken "KERNEL_SRC that is too old" "is linux 7.1" KERNEL_SRC="$work/linux"
fake df 'echo; echo none 0 0 102400 0 /'
broken "no room" "which has 100 MiB free" XDG_CACHE_HOME="$work/cache"
healthy
fake apt-get 'exit 0'
broken "no mirror" "knows no Debian mirror" XDG_CACHE_HOME="$work/cache"
healthy
broken "no network" "the mirror does not answer" XDG_CACHE_HOME="$work/cache" \
	http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
# The cases below do not involve the mirror.
tree 7.3
source=KERNEL_SRC=$work/linux
without flex apt-get
broken "no flex and no apt-get" "only knows Debian's apt-get"
without flex sudo
as_other
broken "no flex, no root and no sudo" "there is no sudo" HOME="$work/home" "$source"
fake sudo 'exit 1'
path=$work/bin:$work/few
broken "no flex, and a sudo that asks without a terminal" "there is no terminal" HOME="$work/home" "$source"
healthy
as_other
mkdir "$work/closed"
chmod 555 "$work/closed"
broken "a cache in a read-only directory" "is not writable for" XDG_CACHE_HOME="$work/closed" "$source"
mkdir -p "$work/empty/rust-kthread-demo"
chmod 555 "$work/empty/rust-kthread-demo"
broken "a cache of somebody else's that is empty" "is not writable for" XDG_CACHE_HOME="$work/empty" "$source"
mkdir -p "$lab/build/fast"
[ -z "$other" ] || chown root "$lab/build/fast"
chmod 555 "$lab/build/fast"
broken "a build/ of somebody else's" "is not writable for" HOME="$work/home" "$source"
ktap_finished
