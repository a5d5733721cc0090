#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: stale parts of a module are rebuilt, for any kind of source, and modules
# that its Kbuild no longer names are removed. kbuild decides.
#
# ksft-kernel: any

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
own=$work/own
out=$own/build/$KERNEL
mkdir -p "$own/sub"

echo 'obj-m := words.o mine.o' >"$own/Kbuild"
echo 'the first words' >"$own/words.txt"
cat >"$own/words.rs" <<'END'
//! Says what stands in a file.

use kernel::prelude::*;

module! {
    type: Words,
    name: "words",
    authors: ["Made by a test"],
    description: "Says what stands in a file",
    license: "GPL",
}

struct Words;

impl kernel::Module for Words {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("{}", include_str!("words.txt"));
        Ok(Self)
    }
}
END
cat >"$own/mine.c" <<'END'
#include <linux/module.h>
#include "sub/number.h"

static int __init mine_init(void)
{
	pr_info("number %s\n", NUMBER);
	return 0;
}

static void __exit mine_exit(void)
{
}

module_init(mine_init);
module_exit(mine_exit);
MODULE_DESCRIPTION("Made by a test");
MODULE_LICENSE("GPL");
END
echo '#define NUMBER "one"' >"$own/sub/number.h"

build()
{
	"$top/scripts/build-module.sh" "$KERNEL" "$own" "$out" >"$work/log" 2>&1 || {
		ktap_fail 'it builds'
		ktap_diag "$(cat "$work/log")"
	}
}

# modules: the modules that a guest would find.
modules()
{
	(cd "$out/stripped" && echo *.ko)
}

# has FILE WORDS
# shellcheck disable=SC2317 # others call it
has()
{
	grep -qaF "$2" "$out/stripped/$1.ko"
}

ktap_plan 10

build
ktap_eq 'all that Kbuild names' 'mine.ko words.ko' "$(modules)"
before=$(stat -c '%n %Y %i' "$out"/*.ko)
build
ktap_eq 'nothing is built without a reason' "$before" "$(stat -c '%n %Y %i' "$out"/*.ko)"

echo 'the second words' >"$own/words.txt"
build
ktap_ok_if 'a file that Rust includes' has words 'the second words'
"$top/scripts/run.sh" qemu/vm.py --kernel "$KERNEL" --module "$own" --command 'modprobe words; dmesg | grep "words: the"; rmmod words' \
	>"$work/log" 2>&1 </dev/null
ktap_match 'the new code runs in the guest' '0 *words: the second words*' "$? $(cat "$work/log")"
echo '#define NUMBER "two, now"' >"$own/sub/number.h"
build
ktap_ok_if 'a header' has mine 'two, now'
printf 'obj-m := words.o mine.o\nccflags-y := -DMINE=1\n' >"$own/Kbuild"
echo '#define NUMBER __stringify(MINE) " of Kbuild"' >"$own/sub/number.h"
build
sed -i 's/MINE=1/MINE=7/' "$own/Kbuild"
build
ktap_ok_if 'an option of Kbuild' grep -qaF '7 of Kbuild' "$out/stripped/mine.ko"

mv "$own/mine.c" "$own/other.c"
echo 'obj-m := words.o other.o' >"$own/Kbuild"
build
ktap_eq 'another name' 'other.ko words.ko' "$(modules)"
ktap_eq 'the old one is nowhere' '' "$(find "$own" -name 'mine*')"
echo 'obj-m := other.o' >"$own/Kbuild"
build
ktap_eq 'one less' 'other.ko' "$(modules)"
mkdir "$own/deep"
mv "$own/other.c" "$own/deep/other.c"
sed -i 's|sub/number.h|../sub/number.h|' "$own/deep/other.c"
echo 'obj-m := deep/' >"$own/Kbuild"
echo 'obj-m := other.o' >"$own/deep/Kbuild"
build
ktap_eq 'another place' 'deep/other.ko' "$(cd "$out" && find . -name stripped -prune -o -name '*.ko' -printf '%P\n')"
ktap_finished
