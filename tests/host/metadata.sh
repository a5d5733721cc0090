#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the errors of scripts/metadata.sh for unusable kernel headers, and the
# lookup of its results. Headers and apt are fakes; "make test KERNEL=debian" has real ones.
#
# shellcheck disable=SC2016 # what is in quotes is a program of its own
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"
. "$top/tests/lib/process.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
kdir=$work/headers
mkdir "$work/bin"

fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod 755 "$work/bin/$1"
}

# headers: the headers of a kernel that only lack the metadata.
headers()
{
	rm -rf "$kdir" "$work/cache"
	mkdir -p "$kdir/include/config" "$kdir/include/generated" "$kdir/arch/x86" "$work/cache" "$work/common"
	cat >"$kdir/.config" <<-END
		CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-99 (Debian 99.1.0-1) 99.1.0"
		CONFIG_CC_IS_GCC=y
		CONFIG_LD_VERSION=24400
		CONFIG_PAHOLE_VERSION=130
		CONFIG_RUST=y
		CONFIG_RUSTC_VERSION_TEXT="rustc 1.99.1 (fake)"
		CONFIG_RUSTC_LLVM_MAJOR_VERSION=19
		CONFIG_BINDGEN_VERSION_TEXT="bindgen 0.99.1"
	END
	cp "$kdir/.config" "$kdir/include/config/auto.conf"
	echo 7.3.4+fake-amd64 >"$kdir/include/config/kernel.release"
	echo '#define UTS_VERSION "#1 SMP Debian 7.3.4-1~fake (2026-11-15)"' >"$kdir/include/generated/utsversion.h"
	printf '0x0\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n' >"$kdir/Module.symvers"
	echo "include $work/common/Makefile" >"$kdir/Makefile"
	printf 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nNAME = Test\n' >"$work/common/Makefile"
}

set_config()
{
	sed -i "s|^$1=.*|$1=$2|" "$kdir/.config"
}

# metadata ARGUMENT...: runs metadata.sh, and sets $said and $status.
metadata()
{
	said=$(PATH="$work/bin:$PATH" XDG_CACHE_HOME="$work/cache" "$top/scripts/metadata.sh" "$@" 2>&1 </dev/null)
	status=$?
}

# refused NAME WORDS: it fails with one line that contains WORDS, and leaves no result.
refused()
{
	metadata "$kdir"
	ktap_match "$1" "1 1 metadata.sh: *$2*" "$status $(printf '%s\n' "$said" | grep -c '') $said"
}

ktap_plan 33

headers
rm -r "$kdir"
refused 'no such directory' 'does not exist: install the kernel'
headers
rm "$kdir/Module.symvers"
refused 'no headers' "is not a kernel's headers (*Module.symvers"
headers
echo 'a b' >"$kdir/include/config/kernel.release"
refused 'a release that is no name' 'has a release'
headers
sed -i /^CONFIG_RUST=/d "$kdir/.config"
refused 'a kernel without Rust' 'CONFIG_RUST off'
headers
echo CONFIG_MODVERSIONS=y >>"$kdir/.config"
refused 'checksums of symbols' 'CONFIG_MODVERSIONS'
headers
echo '#define UTS_VERSION "#1 SMP today"' >"$kdir/include/generated/utsversion.h"
refused 'headers of others' 'which version of Debian'
headers
sed -i 's/7\.3\.4-1/6.12.4-1/' "$kdir/include/generated/utsversion.h"
refused 'an older kernel' 'is linux 6.12'
headers
mkdir "$kdir/rust"
touch "$kdir/rust/libkernel.rmeta"
refused 'headers that have it' 'already has the Rust metadata'
headers
fake df 'echo; echo a b c 1024 d'
refused 'no room' 'needs 600 MiB in *has 1 MiB free: make room'
rm "$work/bin/df"

# Errors other than those of the headers.
headers
fake apt-get 'exit 100'
metadata "$kdir"
ktap_match 'no mirror' "1 1 *knows no Debian mirror to fetch linux-source-7.3 from" "$status $(printf '%s\n' "$said" | grep -c '') $said"
metadata --check "$kdir"
ktap_match 'which is told beforehand, too' '1 1 *knows no Debian mirror to fetch the compilers of that kernel*' \
	"$status $(printf '%s\n' "$said" | grep -c '') $said"

mkdir -p "$work/mirror/dists/trixie-backports" "$work/mirror/dists/trixie"
touch "$work/mirror/dists/trixie-backports/InRelease" "$work/mirror/dists/trixie/InRelease"
fake apt-get 'case " $* " in *" indextargets "*) echo "Debian/Debian file:'"$work/mirror"'" ;; *" update "*) : ;; *) exit 100 ;; esac'
fake apt-cache 'echo " linux-source-7.3 | 7.3.5-1 | mirror"'
headers
metadata "$kdir"
ktap_match 'a version that no suite has any more' \
	"1 *the headers are of version 7.3.4-1~fake, and no suite of * has linux-source-7.3 of it*upgrade kernel and headers*" "$status $said"
ktap_eq 'nothing is left that stands for them' '' "$(find "$work/cache" -name built)"

# The source is there, as after an interrupted run, but compilers of that version are not.
tree=$work/cache/rust-kthread-demo/sources/linux-7.3.4-1-fake
mkdir -p "$tree/rust/kernel"
touch "$tree/Kconfig" "$tree/Kbuild"
metadata "$kdir"
ktap_match 'nor compilers' '1 *no suite of * has the compilers that the kernel was built with (x86_64-linux-gnu-gcc-99*' "$status $said"
headers
set_config CONFIG_CC_VERSION_TEXT '"clang version 19"'
metadata --check "$kdir"
ktap_match 'a kernel of clang' "1 1 *was built with 'clang version 19', and this only knows Debian's gcc*" "$status $(printf '%s\n' "$said" | grep -c '') $said"
headers
set_config CONFIG_CC_VERSION_TEXT '"gcc (GCC) 15.1.1"'
metadata --check "$kdir"
ktap_match 'a gcc of others' "1 1 *not a gcc of Debian*" "$status $(printf '%s\n' "$said" | grep -c '') $said"

# The lookup.
headers
metadata --check "$kdir"
ktap_eq 'it can be made' '0 ' "$status $said"
metadata --find "$kdir"
ktap_eq 'it is not there yet' '1 ' "$status $said"
said=$("$top/scripts/check-kdir.sh" "$kdir" 2>&1)
ktap_match 'check-kdir names the command' "1 *make metadata KDIR='$kdir'*" "$? $said"
out=$work/cache/rust-kthread-demo/metadata/7.3.4+fake-amd64-$(cat "$kdir/.config" "$kdir/Module.symvers" "$kdir/include/config/kernel.release" | sha256sum | cut -c 1-12)
mkdir -p "$out"
echo 1 >"$out/built"
echo CC=/bin/true >"$out/tools.mk"
metadata --find "$kdir"
ktap_eq 'it is there' "0 $out" "$status $said"
said=$(XDG_CACHE_HOME="$work/cache" "$top/scripts/check-kdir.sh" "$kdir" 2>&1)
ktap_eq 'and check-kdir takes it' '0 ' "$? $said"
echo "CC=$work/none" >"$out/tools.mk"
metadata --find "$kdir"
ktap_eq 'but not without its compilers' '1 ' "$status $said"

# whole_headers: headers, with the source and the compilers in the cache. The build of that
# source first runs $work/hook, if it exists.
whole_headers()
{
	headers
	echo lds >"$kdir/arch/x86/module.lds"
	echo bounds >"$kdir/include/generated/bounds.h"
	mkdir -p "$tree/rust/kernel"
	touch "$tree/Kconfig" "$tree/Kbuild"
	printf '%s\n' 'olddefconfig:' '	@touch $(O)/.config' 'prepare:' "	@[ ! -e $work/hook ] || . $work/hook" \
		'	@mkdir -p $(O)/rust $(O)/include/config $(O)/include/generated' \
		'	@cp $(O)/.config $(O)/include/config/auto.conf' '	@echo bounds >$(O)/include/generated/bounds.h' \
		'	@echo "EXPORT_SYMBOL_RUST_GPL(printk);" >$(O)/rust/exports_core_generated.h' >"$tree/Makefile"
	box=$work/cache/rust-kthread-demo/toolbox/$(for _key in CC_VERSION_TEXT RUSTC_VERSION_TEXT BINDGEN_VERSION_TEXT \
		LD_VERSION PAHOLE_VERSION RUSTC_LLVM_MAJOR_VERSION; do
		sed -n "s/^CONFIG_$_key=//p" "$kdir/.config" | tr -d '"'
	done | sha256sum | cut -c 1-12)
	mkdir -p "$box/bin" "$box/root/usr/lib/llvm-19/lib" "$box/root/lib/rustlib/src/rust/library/core/src"
	touch "$box/whole" "$box/root/lib/rustlib/src/rust/library/core/src/lib.rs"
	for _tool in 'x86_64-linux-gnu-gcc-99:x86_64-linux-gnu-gcc-99 (Debian 99.1.0-1) 99.1.0' 'rustc:rustc 1.99.1 (fake)' \
		'bindgen:bindgen 0.99.1' 'x86_64-linux-gnu-ld:GNU ld 2.44' 'pahole:v1.30'; do
		printf '#!/bin/sh\n[ "$1" = --print ] && exec echo %s\necho "%s"\n' "$box/root" "${_tool#*:}" >"$box/bin/${_tool%%:*}"
	done
	chmod +x "$box"/bin/*
}

# interrupted SIGNAL: ends it in the middle of the build.
interrupted()
{
	whole_headers
	rm -f "$work/step.pid"
	echo "echo \$\$ >$work/step.pid; sleep 300" >"$work/hook"
	XDG_CACHE_HOME=$work/cache "$top/scripts/metadata.sh" "$kdir" >"$work/log" 2>&1 </dev/null &
	_script=$!
	soon test -s "$work/step.pid" || ktap_bail "the build did not begin: $(cat "$work/log")"
	kill "-$1" $_script
	wait $_script 2>/dev/null
	rm "$work/hook"
	ktap_ok_if "$1: the build ends" soon gone "$work/step.pid"
	metadata --find "$kdir"
	ktap_eq "$1: it is not there" '1 ' "$status $said"
	metadata "$kdir"
	ktap_match "$1: the next run makes it" "0 *$out" "$status $said"
}

interrupted KILL
interrupted TERM
ktap_eq 'nothing is written to the headers' '' "$(find "$kdir" -newer "$tree/Makefile")"

# Results of a different configuration, compiler or source.
whole_headers
sed -i 's|@touch|@echo CONFIG_EXTRA=y >>|' "$tree/Makefile"
metadata "$kdir"
ktap_match 'another configuration' '1 *the configuration of 7.3.4+fake-amd64 would differ: CONFIG_EXTRA *' "$status $said"
whole_headers
echo other >"$kdir/include/generated/bounds.h"
metadata "$kdir"
ktap_match 'another generated file' '1 *include/generated/bounds.h came out different*' "$status $said"
whole_headers
sed -i 's/printk/other/' "$kdir/Module.symvers"
metadata "$kdir"
ktap_match 'a symbol that the kernel does not export' '1 *does not export the Rust symbol printk*' "$status $said"
whole_headers
echo CONFIG_MODULE_SIG_FORCE=y | tee -a "$kdir/.config" >>"$kdir/include/config/auto.conf"
metadata "$kdir"
ktap_match 'forced signatures: how to sign' '0 *sign-file*mokutil*' "$status $said"
ktap_finished
