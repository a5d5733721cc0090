#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: doctor.sh KDIR
#
# Says what is missing or wrong on this machine and with KDIR, and how to mend
# it. Changes nothing. Fails if "make demo" could not run as things are.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

kdir=${1:?usage: doctor.sh KDIR}
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

# first line of what COMMAND says
brief()
{
	"$@" 2>&1 | head -n 1
}

missing=$("$TOP/scripts/setup.sh" --list)
if [ -z "$missing" ]; then
	good "programs: all there"
else
	can_install=yes
	if ! command -v apt-get >/dev/null; then
		can_install=
	elif [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		can_install=
	fi
	printf '%s\n' "$missing" | while IFS='	' read -r package why; do
		note "missing package $package: $why"
	done
	if [ -n "$can_install" ]; then
		note "'make demo' installs these, after telling"
	else
		wrong "programs are missing and cannot be installed from here: as root, run: apt-get install --no-install-recommends $(printf '%s\n' "$missing" | cut -f 1 | tr '\n' ' ')"
	fi
fi

tools=$("$TOP/scripts/toolchain.sh" 2>/dev/null)
for tool in RUSTC BINDGEN; do
	path=$(printf '%s\n' "$tools" | sed -n "s/^$tool=//p")
	[ -z "$path" ] || good "$path: $(brief "$path" --version)"
done
llvm=$(printf '%s\n' "$tools" | sed -n 's/^LLVM=//p')
[ -z "$llvm" ] || good "LLVM=$llvm: $(brief "clang$(printf %s "$llvm" | sed 's/^1$//')" --version)"
first=$(command -v rustc)
used=$(printf '%s\n' "$tools" | sed -n 's/^RUSTC=//p')
if [ -n "$first" ] && [ -n "$used" ] && [ "$first" != "$used" ]; then
	note "$first comes first on PATH but has no library source or is too old, so it is not used"
fi

case $CACHE in
*[[:space:]:%]*) wrong "the cache's path '$CACHE' has a blank, colon or percent sign: set XDG_CACHE_HOME to a path without" ;;
esac
place=$CACHE
while [ ! -d "$place" ]; do
	place=$(dirname "$place")
done
free=$(df -Pk "$place" | awk 'NR == 2 { print int($4 / 1024) }')
if [ ! -w "$place" ]; then
	wrong "the cache $CACHE cannot be written: set XDG_CACHE_HOME to another place"
elif [ -f "$CACHE/sources/default/Makefile" ]; then
	good "cache: $(du -sm "$CACHE" | cut -f 1) MiB in $CACHE ($free MiB free; remove it to start afresh)"
	[ "$free" -ge 1500 ] || wrong "$free MiB free in $place, and a kernel build needs 1500: make room or set XDG_CACHE_HOME"
elif [ "$free" -lt 4100 ]; then
	wrong "$free MiB free in $place, and the kernel tree and build need 4100: make room or set XDG_CACHE_HOME"
else
	good "cache: $CACHE, still empty ($free MiB free)"
fi

if [ -n "${KERNEL_SRC:-}" ] || [ -f "$CACHE/sources/default/Makefile" ]; then
	if src=$("$TOP/scripts/kernel-source.sh" --check 2>&1); then
		good "kernel tree: $src"
	else
		wrong "kernel tree: ${src#*: }"
	fi
elif debian_mirror >/dev/null; then
	good "kernel tree: not there yet; 'make demo' fetches it from this machine's Debian mirror"
else
	wrong "kernel tree: apt knows no Debian mirror to fetch one from: set KERNEL_SRC=/path/to/a/linux-tree ($MIN_KERNEL or newer)"
fi

for fragment in "$TOP"/qemu/config/*.config; do
	name=$(basename "$fragment" .config)
	if [ -f "$TOP/build/$name/kernel/built" ]; then
		good "kernel $name: built"
	else
		note "kernel $name: not built yet; 'make demo KERNEL=$name' does"
	fi
done

if [ -e /dev/kvm ]; then
	note "/dev/kvm is there; whether it boots a kernel is tried when the guest first starts, else emulation is used"
else
	note "no /dev/kvm: the guest is emulated, which is fast enough"
fi

if said=$("$TOP/scripts/check-kdir.sh" "$kdir" 2>&1); then
	good "KDIR=$kdir: Rust modules can be built against it"
else
	# Only a plain_path "make" uses it, so the lab is not in danger.
	note "a plain 'make' would fail: ${said#*: }"
fi

if [ "$bad" -gt 0 ]; then
	echo "$bad to mend"
	exit 1
fi
echo "nothing to mend"
