#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: dkms adds the module, builds it for the lab's own kernel, installs and
# removes it, all below a directory of this test. It skips kernels that the module does not
# support, so that their upgrade does not fail.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

PATH=$PATH:/usr/sbin:/sbin
command -v dkms >/dev/null || ktap_skip_all "dkms is not installed (apt-get install dkms)"
[ "$(id -u)" -eq 0 ] || ktap_skip_all "dkms installs as root alone"
kdir=$(cd "$top/build/$KERNEL/kernel" && pwd -P) || ktap_skip_all "kernel $KERNEL is not built"
release=$(cat "$kdir/include/config/kernel.release") || ktap_skip_all "kernel $KERNEL has no release"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree" "$work/sources" "$work/modules/$release" "$work/checkout"
tar -C "$top" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/checkout" -xf -
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' "$top/dkms.conf")
module=rust_kthread_demo/$version

# run ARGUMENT...: runs dkms, with the output in $work/log and the status in $status.
run()
{
	dkms "$@" --dkmstree "$work/tree" --sourcetree "$work/sources" --installtree "$work/modules" \
		--no-depmod >"$work/log" 2>&1
	status=$?
}

# for_kernel COMMAND RELEASE KDIR
for_kernel()
{
	run "$1" "$module" -k "$2" --kernelsourcedir "$3"
}

show()
{
	ktap_diag "$(cat "$work/log")"
	for log in "$work/tree/$module"/build/make.log "$work/tree/$module"/*/*/log/make.log; do
		[ ! -r "$log" ] || ktap_diag "$(tail -n 20 "$log")"
	done
}

# state: the status of the module in dkms, without its name.
state()
{
	run status
	sed -n "s|^${module}[:,] *||p" "$work/log" | sed "s|^$release, x86_64: ||"
}

installed()
{
	(cd "$work/modules" && find . -name '*.ko*')
}

# excluded NAME RELEASE LINE...: dkms skips a kernel with this configuration.
excluded()
{
	_name=$1
	_release=$2
	shift 2
	rm -rf "$work/kdir"
	mkdir -p "$work/kdir/include"
	printf '%s\n' "$@" >"$work/kdir/.config"
	: >"$work/kdir/Makefile"
	for_kernel build "$_release" "$work/kdir"
	ktap_eq "$_name" 77 $status || show
}

ktap_plan 15

ktap_eq "its version is the newest of the changelog" "$version" \
	"$(sed -n 's/^## \([0-9.]*\).*/\1/p' "$top/CHANGELOG.md" | head -n 1)"
ktap_eq "and the one of the page on dkms" "$version" \
	"$(sed -n 's|.*dkms install rust_kthread_demo/||p' "$top/docs/stock.md")"

run add "$work/checkout"
ktap_eq "dkms adds it" 0 $status || show
ktap_eq "as added" added "$(state)"

excluded "there is nothing to build for an older kernel" 6.1.0-40-amd64 CONFIG_RUST=y CONFIG_SMP=y
excluded "nor for one before 7.2" 7.1.9 CONFIG_RUST=y CONFIG_SMP=y
excluded "nor for one without Rust" 7.3.4 '# CONFIG_RUST is not set' CONFIG_SMP=y
excluded "nor for one without SMP" 7.3.4 CONFIG_RUST=y '# CONFIG_SMP is not set'

for_kernel build "$release" "$kdir"
ktap_eq "dkms builds it" 0 $status || show
ktap_eq "as built" built "$(state)"
ktap_eq "nothing is installed yet" '' "$(installed)"

for_kernel install "$release" "$kdir"
ktap_eq "dkms installs it" "0 ./$release/updates/dkms/rust_kthread_demo.ko" "$status $(installed)" || show
ktap_eq "as a module for that kernel" "$release" \
	"$(modinfo -F vermagic "$work/modules/$release/updates/dkms/rust_kthread_demo.ko" | cut -d ' ' -f 1)"

run remove "$module" --all
ktap_eq "dkms removes it" "0 " "$status $(installed)" || show
ktap_eq "and has forgotten it" '' "$(state)"
ktap_finished
