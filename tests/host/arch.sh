#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: a guest of a foreign architecture gets the kernel, tools and programs of
# that architecture, and unknown or missing ones are reported in one line.
#
# ksft-kernel: any

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
unset KERNEL
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. "$top/tests/lib/tree.sh"
fake_tree "$work/tree"
fake_lab "$work/lab"
real_setup "$work/lab"
cd "$work/lab" || exit 1
mkdir "$work/bin"

# The guest has another architecture than this machine.
host=$(uname -m)
case $host in
x86_64) other=arm64 machine=aarch64 ;;
*) other=x86_64 machine=x86_64 ;;
esac
own=$(sed -n "/^MACHINE=$host\$/{F;q;}" qemu/arch/*.conf | sed 's|.*/||; s|\.conf$||')

# key KEY: a value from the description of that architecture.
key()
{
	sed -n "s/^$1=//p" "qemu/arch/$other.conf"
}

# say COMMAND...: sets $said to its output, $lines to the number of lines, and $status.
say()
{
	said=$("$@" 2>&1 </dev/null)
	status=$?
	lines=$(printf '%s\n' "$said" | grep -vc '^make[:[]')
}

# refused NAME PATTERN COMMAND...
refused()
{
	_what=$1
	_pattern=$2
	shift 2
	say lab "$@"
	ktap_match "$_what" "[12] 1 *$_pattern*" "$status $lines $said"
}

# fake NAME TEXT
fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

ktap_plan 27

# The descriptions.
keys()
{
	sed -n 's/^\([A-Z][A-Z_]*\)=.*/\1/p; s/^\(# Place: .*\)/\1/p' "$1" | grep -vE '^(PACKAGED|CONFIG)_' | sort
}
for one in qemu/arch/*.conf; do
	ktap_eq "${one##*/} says all that x86_64.conf does" "$(keys qemu/arch/x86_64.conf)" "$(keys "$one")"
done
ktap_eq 'and has the places that kernels have' "$(sed -n 's/^# Place: //p' qemu/config/*.config | sort)" \
	"$(sed -n 's/^# Place: //p' "qemu/arch/$other.conf" | sort)"
ktap_eq 'nothing else asks which one it is' '' \
	"$(cd "$top" && grep -lE 'aarch64|ttyAMA0|ttyS0|qemu-system-(x86_64|aarch64)' scripts/*.sh scripts/*.py qemu/*.py qemu/*.sh \
		Makefile .ci/run | grep -vE '/(boot-installed)\.sh$')"

# Names.
ktap_eq 'the kernel of this machine has its own name' "$(scripts/kernel-options.sh fast)" \
	"$(fake uname "echo $host" && PATH=$work/bin:$PATH scripts/kernel-options.sh fast)"
fake uname "echo $machine"
ktap_eq 'a machine that is another one takes the same name for its own' "$(scripts/kernel-options.sh "fast@$other")" \
	"$(PATH=$work/bin:$PATH scripts/kernel-options.sh fast)"
ktap_eq 'and that of this one for another' "$(scripts/kernel-options.sh debug)" \
	"$(PATH=$work/bin:$PATH scripts/kernel-options.sh "debug@$own")"
rm "$work/bin/uname"
ktap_match 'options of its own come behind' "fast@$other+????????" "$(CONFIG=CONFIG_X=y scripts/kernel-options.sh --name "fast@$other")"

for goal in demo test vm shell gdb bench trace compare soak doctor; do
	case $goal in
	vm) set -- COMMAND=true ;;
	soak) set -- MINUTES=1 ;;
	*) set -- ;;
	esac
	refused "make $goal: an architecture that is not known" "make $goal: there is no architecture 'mips' here: ARCH is one of arm64 x86_64" \
		make -s "$goal" ARCH=mips "$@"
done
# shellcheck disable=SC2016 # nobody is to expand it
for arch in '$(shell touch pwned)' '`touch pwned`' '%' 'arm64 x86_64' '../arch/arm64'; do
	lab make -s demo ARCH="$arch" >>"$work/log" 2>&1
done
ktap_eq 'none of these is a command, or more than a word' '5 no' \
	"$(grep -c 'there is no architecture' "$work/log") $([ -e pwned ] && echo yes || echo no)"
refused 'none' 'ARCH is empty' make -s demo ARCH=
refused 'two' 'names an architecture already' make -s demo ARCH="$other" KERNEL="fast@$other"
refused 'a kernel that is a package for this one alone' "is for $own alone" make -s demo ARCH="$other" KERNEL=debian

# Missing parts.
mkdir "$work/few"
find /usr/local/bin /usr/sbin /usr/bin /bin -maxdepth 1 -name '[!.]*' -exec ln -sf -t "$work/few" {} +
rm -f "$work/few/$(key QEMU)" "$work/few/$(key CROSS)gcc"
say lab env PATH="$work/few" scripts/setup.sh --check "fast@$other"
ktap_match 'an emulator and a compiler that lack are installed' "*$(key QEMU_PACKAGE)	boots the guest*$(key LIBC_PACKAGE)	*$(key CROSS_PACKAGE)	*" "$said"
refused 'and named where nobody does' "there is no $(key CROSS)gcc, which builds for $other*$(key CROSS_PACKAGE)" \
	env PATH="$work/few" scripts/toolchain.sh gcc "$other"

# A tree without Rust for it.
mkdir -p "$work/tree/arch/$(key SRCARCH)"
: >"$work/tree/arch/$(key SRCARCH)/Kconfig"
refused 'a tree without Rust for it' "has no Rust for $other" scripts/build-kernel.sh "fast@$other"

# The build.
echo 'select HAVE_RUST' >"$work/tree/arch/$(key SRCARCH)/Kconfig"
if ! command -v "$(key CROSS)gcc" >/dev/null; then
	ktap_skip 'its kernel is built by the compiler for it' "there is no $(key CROSS)gcc here"
	ktap_skip 'and found again' "there is no $(key CROSS)gcc here"
else
	say lab scripts/build-kernel.sh "fast@$other"
	ktap_eq 'its kernel is built by the compiler for it' "0 $(key KBUILD) $(key CROSS)" \
		"$status $(cat "build/fast@$other/kernel/$(key IMAGE)")" || ktap_diag "$said"
	say lab scripts/build-kernel.sh --is-built "fast@$other"
	ktap_eq 'and found again' '0' "$status"
fi
ktap_finished
