#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: new-module.sh [--check] NAME DIR
#
# Creates a module in DIR/NAME: samples/kthread_monitor.rs and its test under that name, a
# copy of kthread/, and a Makefile that builds and tests them. With --check it creates
# nothing, and its status says whether it could.

. "$(dirname "$0")/lib.sh"

sample=kthread_monitor

only_check=
if [ "${1:-}" = --check ]; then
	only_check=yes
	shift
fi
[ $# -eq 2 ] || die "usage: new-module.sh [--check] NAME DIR"
name=$1
dir=$2/$name

case $name in
'') die "usage: make new-module NAME=name [DIR=where] (NAME is missing)" ;;
[!a-z]* | *[!a-z0-9_]*) die "NAME='$name' is not a name for a module: use a-z, 0-9 and _, a letter first" ;;
esac
[ ${#name} -le 55 ] || die "NAME='$name' is too long for a module: use at most 55 letters"
taken()
{
	die "NAME='$name' is $1: choose another"
}

case $name in
# The crate of the module has this name.
as | async | await | become | box | break | const | continue | crate | do | dyn | else | enum | extern | false | \
	final | fn | for | gen | if | impl | in | let | loop | macro | match | mod | move | mut | override | priv | \
	pub | ref | return | self | static | struct | super | trait | true | try | type | typeof | unsafe | unsized | \
	use | virtual | where | while | yield)
	taken "a word of Rust"
	;;
alloc | bindings | build_error | compiler_builtins | core | ffi | helpers | kernel | macros | pin_init | \
	pin_init_internal | proc_macro | proc_macro2 | quote | std | syn | uapi | zerocopy | zerocopy_derive)
	taken "the name of a crate of the kernel or of Rust"
	;;
vmlinux) taken "the name of the kernel itself" ;;
kthread | kthread_* | "$PROJECT_MODULE") taken "the name of something of the lab" ;;
esac
# Besides built-in modules, other built-in files have a directory in /sys/module if they
# have parameters.
for kernel in "$TOP"/build/*/kernel; do
	[ -r "$kernel/modules.builtin" ] || continue
	{
		sed 's|.*/||; s|\.ko$||' "$kernel/modules.builtin"
		tr '\0' '\n' <"$kernel/modules.builtin.modinfo" | sed -n 's/^\([A-Za-z0-9_-]*\)\..*/\1/p'
	} | tr - _ | grep -qx "$name" || continue
	kernel=${kernel%/kernel}
	taken "built into the kernel ${kernel##*/} already"
done
[ -d "$2" ] || die "there is no directory '$2': make it first, or choose another with DIR="
[ ! -e "$dir" ] || die "$dir is there already: choose another NAME, or another place with DIR="

[ -z "$only_check" ] || exit 0

# Build it in a temporary directory, so that a failure leaves nothing.
new=$(mktemp -d "$2/.$name.XXXXXX") || die "nothing can be made in '$2': choose another place with DIR="
trap 'rm -rf "$new"' EXIT
set -e
cp -R "$TOP/kthread" "$TOP/COPYING" "$new"
sed "s/$sample/$name/g; /^#\[path = /d; /^    authors: /d; s/Sample: [^\"]*/$name/" \
	"$TOP/samples/$sample.rs" >"$new/$name.rs"
sed "s/$sample/$name/g; s/^# Runs in the guest, as root.*/# Runs in the guest of \"make test\", as root./" \
	"$TOP/samples/$sample.sh" >"$new/test.sh"
chmod +x "$new/test.sh"
printf '%s\n' build/ rust-project.json >"$new/.gitignore"
licence=$(head -n 1 "$TOP/Kbuild")
cat >"$new/Kbuild" <<EOF
$licence

obj-m := $name.o
EOF
cat >"$new/Makefile" <<EOF
$licence
#
# make                  builds the module for the running kernel, or for KDIR=DIR
# make modules_install  installs it
# make test             builds it for a kernel of the lab, and runs test.sh in a guest
# make vm SCRIPT=FILE   the same with another script, or COMMAND='...'
# make shell            opens a shell in the guest; modprobe finds the module there
# make gdb              starts a guest that waits for a debugger; prints how to attach
# make coverage         runs test.sh, and shows which lines of the module it reached
# make rust-analyzer    writes rust-project.json for editors
# make clean            removes the build
#
# KERNEL=NAME chooses a kernel of the lab, whose "make help" lists the other variables.

KDIR ?= /lib/modules/\$(shell uname -r)/build
LAB ?= $TOP

lab = @[ -f "\$(LAB)/Makefile" ] || { \\
	echo "the lab is not at '\$(LAB)': set LAB to its path, here or in the Makefile" >&2; exit 2; }; \\
	\$(MAKE) --no-print-directory -C "\$(LAB)" MODULE="\$(CURDIR)"
# Paths are relative to this directory.
here = \$(foreach v,SCRIPT SHARE OUT JUNIT INSTALL_MOD_PATH,\$(if \$(\$v),\$v="\$\$(realpath -ms -- "\$(\$v)")"))

modules modules_install:
	\$(lab) \$@ KDIR="\$\$(realpath -ms -- "\$(KDIR)")" \$(here)

test:
	\$(lab) vm \$(here) SCRIPT="\$(CURDIR)/test.sh"

vm:
	\$(lab) vm \$(here)

shell gdb coverage rust-analyzer:
	\$(lab) \$@ \$(here)

clean:
	rm -rf build rust-project.json

help:
	@sed -n 's/^# make/make/p; s/^# KERNEL/\\nKERNEL/p' Makefile

.PHONY: modules modules_install test vm shell gdb coverage rust-analyzer clean help
EOF
chmod 755 "$new"
mv "$new" "$dir"
say "made $dir: $name.rs and its test.sh are yours to change"
