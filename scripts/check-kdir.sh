#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: check-kdir.sh KDIR
#
# Exits with 0 if an external Rust module can be built against KDIR. Otherwise says in
# one line what prevents it, and what to do.

. "$(dirname "$0")/lib.sh"

kdir=${1:?usage: check-kdir.sh KDIR}

need_host

refuse()
{
	die "KDIR=$kdir $1"
}

use="'make demo' builds a kernel that works, and make KDIR='$TOP/build/fast/kernel' uses it"

[ -d "$kdir" ] ||
	refuse "does not exist: install the kernel's headers, or name a kernel build tree; $use"
[ -f "$kdir/Makefile" ] ||
	refuse "is not a kernel build tree (no Makefile): name the directory in which the kernel was built; $use"

plain_path "$(cd -- "$kdir" && pwd -P)" ||
	refuse "has a path that is not made of $PLAIN, and kbuild takes no others: move that kernel; $use"

# A build directory made with O= has a Makefile that only includes the tree's.
source=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$kdir/Makefile" | head -n 1)
[ -n "$source" ] || source=$kdir
version=$(awk -F ' *= *' '/^VERSION/ { v = $2 } /^PATCHLEVEL/ { p = $2 } /^NAME/ { exit }
	END { if (v != "") print v "." p }' "$source/Makefile" 2>/dev/null)
if [ -z "$version" ]; then
	[ -f "$source/Makefile" ] ||
		refuse "belongs to a source tree that is gone ($source): unpack it again, or build that kernel anew; $use"
	refuse "is not a kernel build tree (its Makefile names no version): name the directory in which the kernel was built; $use"
fi
version_ok "$version" "$MIN_KERNEL" ||
	refuse "is linux $version, and the Rust interfaces used here came with $MIN_KERNEL: take a newer kernel; $use"

config=$kdir/include/config/auto.conf
if [ ! -f "$config" ]; then
	[ -f "$kdir/.config" ] ||
		refuse "is a tree that was never configured: configure it with CONFIG_RUST=y and build it; $use"
	config=$kdir/.config
fi

arch=$(arch_of_config "$config")
[ -z "${LAB_ARCH:-}" ] || [ "${arch:-none of those known here}" = "$LAB_ARCH" ] ||
	refuse "is a kernel for ${arch:-an unknown architecture}, and ARCH says $LAB_ARCH: leave ARCH out, or name another; make demo ARCH=$LAB_ARCH builds one"

if [ "$(conf "$config" CONFIG_RUST)" != y ]; then
	clang=$(conf "$config" CONFIG_CLANG_VERSION)
	if [ "$(conf "$config" CONFIG_CC_IS_CLANG)" = y ] && [ "${clang:-0}" -lt 170001 ]; then
		refuse "has CONFIG_RUST off, as its LLVM is too old ($(conf "$config" CONFIG_CC_VERSION_TEXT)): build that kernel with LLVM $MIN_LLVM or newer; $use"
	fi
	# Kconfig notes an empty version for a tool that it did not find.
	if grep -q '^CONFIG_BINDGEN_VERSION_TEXT=""' "$config"; then
		refuse "has CONFIG_RUST off, as there was no bindgen when it was configured: install bindgen $MIN_BINDGEN or newer, then configure and build that kernel with CONFIG_RUST=y; $use"
	fi
	if grep -q '^CONFIG_RUSTC_VERSION_TEXT=""' "$config"; then
		refuse "has CONFIG_RUST off, as there was no rustc when it was configured: install rustc $MIN_RUSTC or newer, then configure and build that kernel with CONFIG_RUST=y; $use"
	fi
	refuse "has CONFIG_RUST off: configure and build that kernel with CONFIG_RUST=y; $use"
fi

if [ ! -f "$kdir/rust/libkernel.rmeta" ] || [ ! -f "$kdir/rust/libcore.rmeta" ]; then
	if [ ! -f "$source/rust/kernel/lib.rs" ]; then
		# Metadata in the cache has been checked when it was made.
		"$TOP/scripts/metadata.sh" --find "$kdir" >/dev/null 2>&1 && exit 0
		said=$("$TOP/scripts/metadata.sh" --check "$kdir" 2>&1) ||
			refuse "holds headers without rust/*.rmeta, which Rust modules are built against, and these are not available: ${said#*: }; $use"
		refuse "holds headers without rust/*.rmeta, which Rust modules are built against: make metadata KDIR='$kdir' gets that, in a few minutes"
	fi
	case $(env -u RUSTC "$TOP/scripts/toolchain.sh" --missing gcc 2>&1) in
	*bindgen* | *BINDGEN*)
		refuse "has no rust/*.rmeta, and there is no bindgen $MIN_BINDGEN or newer to make them: install one (or set BINDGEN=), then build that kernel; $use"
		;;
	esac
	refuse "has no rust/*.rmeta, so its build was never finished: run make there; $use"
fi

# Only the very compiler that wrote the metadata can read it, and the module's C needs
# the same family of compiler.
said=$("$TOP/scripts/toolchain.sh" "$kdir" 2>&1) || refuse "wants the tools that it was built with: ${said#*: }; $use"
exit 0
