#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: new-module.sh NAME DIR
#
# Makes DIR/NAME, the beginning of a module: samples/kthread_monitor.rs and its test
# under that name, a copy of kthread/, and what builds and tests them.

. "$(dirname "$0")/lib.sh"

sample=kthread_monitor

[ $# -eq 2 ] || die "usage: new-module.sh NAME DIR"
name=$1
dir=$2/$name

case $name in
'') die "usage: make new-module NAME=name [DIR=where] (NAME is missing)" ;;
[!a-z]* | *[!a-z0-9_]*) die "NAME='$name' is no name for a module: use a-z, 0-9 and _, a letter first" ;;
esac
[ ${#name} -le 55 ] || die "NAME='$name' is too long for a module: use at most 55 letters"
case $name in
# The crate of the module gets the name, and so does its file in the guest.
alloc | bindings | core | kernel | kthread | macros | pin_init | uapi | rust_kthread_demo | kthread_*)
	die "NAME='$name' is the name of something else already: choose another"
	;;
esac
[ -d "$2" ] || die "there is no directory '$2': make it first, or choose another with DIR="
[ ! -e "$dir" ] || die "$dir is there already: choose another NAME, or another place with DIR="

# All or nothing.
new=$(mktemp -d "$2/.$name.XXXXXX") || die "nothing can be made in '$2': choose another place with DIR="
trap 'rm -rf "$new"' EXIT
set -e
cp -R "$TOP/kthread" "$TOP/COPYING" "$new"
sed "s/$sample/$name/g; /^#\[path = /d; /^    authors: /d; s/Sample: [^\"]*/$name/" \
	"$TOP/samples/$sample.rs" >"$new/$name.rs"
sed "s/$sample/$name/g; s/^# Runs in the guest, as root.*/# Runs in the guest of \"make test\", as root./" \
	"$TOP/samples/$sample.sh" >"$new/test.sh"
chmod +x "$new/test.sh"
echo "build/" >"$new/.gitignore"
licence=$(head -n 1 "$TOP/Kbuild")
cat >"$new/Kbuild" <<EOF
$licence

obj-m := $name.o
EOF
cat >"$new/Makefile" <<EOF
$licence
#
# make          builds the module for the running kernel, or for KDIR=...
# make test     builds it for a kernel of the lab, and runs test.sh in the guest
# make shell    opens a shell in the guest, where modprobe finds the module

KDIR ?= /lib/modules/\$(shell uname -r)/build
LAB ?= $TOP

modules modules_install clean:
	\$(MAKE) -C "\$(KDIR)" M="\$(CURDIR)" \$@

test:
	@\$(MAKE) --no-print-directory -C "\$(LAB)" vm MODULE="\$(CURDIR)" SCRIPT="\$(CURDIR)/test.sh" \\
		\$(if \$(JUNIT),JUNIT="\$(abspath \$(JUNIT))")

shell:
	@\$(MAKE) --no-print-directory -C "\$(LAB)" shell MODULE="\$(CURDIR)"

.PHONY: modules modules_install clean test shell
EOF
chmod 755 "$new"
mv "$new" "$dir"
say "made $dir: $name.rs and its test.sh are yours to change"
