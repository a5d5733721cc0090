#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: a kernel is rebuilt if its options, its tree or the tree's Kconfig change,
# and only then; a user's own tree stays unchanged.
#
# ksft-kernel: any

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
# This tests the default kernel.
unset KERNEL
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
. "$top/tests/lib/tree.sh"
fake_tree "$work/tree"
fake_lab "$work/lab"
cd "$work/lab" || exit 1
kernels=$work/cache/rust-kthread-demo/kernels

# Instead of booting a guest.
# shellcheck disable=SC2016 # the program expands it
printf '#!/bin/sh\necho "guest of $2"\n' >qemu/vm.py
chmod +x qemu/vm.py

# name CONFIG [KERNEL]: the name of that kernel.
name()
{
	CONFIG=$1 scripts/kernel-options.sh --name "${2:-fast}" 2>&1
}

# demo ARGUMENT...: runs make demo, with the output in $work/log and its last line in $said.
demo()
{
	lab make --no-print-directory demo "$@" >"$work/log" 2>&1
	status=$?
	said=$(tail -n 1 "$work/log")
}

# how_many: the number of kernels.
how_many()
{
	find "$kernels" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | grep -c .
}

ktap_plan 30

# CONFIG: which values make a different kernel, and which do not.
one=$(name 'CONFIG_AA=y CONFIG_B=7')
ktap_match 'a name of its own' 'fast+[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]' "$one"
differ=
for config in 'CONFIG_B=7 CONFIG_AA=y' '  CONFIG_B=7	CONFIG_AA=y ' 'CONFIG_B=7
CONFIG_AA=y' 'CONFIG_AA=n CONFIG_B=7 CONFIG_AA=y' 'CONFIG_AA=y CONFIG_AA=y CONFIG_B=7'; do
	[ "$(name "$config")" = "$one" ] || differ="$differ '$config'"
done
ktap_eq 'neither the order nor what is overruled makes another' '' "$differ"
same=
for config in 'CONFIG_AA=y' 'CONFIG_AA=y CONFIG_B=8' 'CONFIG_AA=n CONFIG_B=7' 'CONFIG_AA=y CONFIG_B="7"' 'CONFIG_aA=y CONFIG_B=7' \
	'CONFIG_AAB=7' 'CONFIG_AA=y CONFIG_B=7 CONFIG_C=n'; do
	[ "$(name "$config")" != "$one" ] || same="$same '$config'"
done
ktap_eq 'another value does' '' "$same"
ktap_eq 'of another kernel it is another' "rt${one#fast}" "$(name 'CONFIG_AA=y CONFIG_B=7' rt)"
overruled=$(name CONFIG_SMP=n)
ktap_eq 'it counts more than what the kernel asks for' CONFIG_SMP=n "$(scripts/kernel-options.sh "$overruled" | grep CONFIG_SMP=)"

demo CONFIG='CONFIG_B=7 CONFIG_AA=y'
ktap_eq 'make builds it, and boots it' "0 guest of $one 1" "$status $said $(how_many)" || ktap_diag "$(cat "$work/log")"
ktap_eq 'with these options' 'CONFIG_AA=y CONFIG_B=7' "$(grep -xE 'CONFIG_(AA|B)=.*' "build/$one/kernel/.config" | sort | paste -sd ' ')"
stamp=$(stat -c %Y.%i "build/$one/kernel/built")
demo CONFIG='CONFIG_AA=y CONFIG_B=7'
ktap_eq 'in another order it is the same build' "$stamp 1" "$(stat -c %Y.%i "build/$one/kernel/built") $(how_many)"
demo "KERNEL=$one"
ktap_eq 'its name stands for it' "guest of $one" "$said"
demo CONFIG='CONFIG_AA=y CONFIG_B=8'
ktap_eq 'with another value it is another, beside the first' 2 "$(how_many)"
demo
ktap_eq 'so is the kernel without' 3 "$(how_many)"

# Refused values, before anything is built.
wrong=
# shellcheck disable=SC2016 # nobody is to expand it
for config in CONFIG_A A=y config_A=y CONFIG_=y CONFIG_A= CONFIG_A=m CONFIG_A=yes CONFIG_A=Y CONFIG_A=0xg CONFIG_A=0x CONFIG_A=1-2 CONFIG_A=- \
	'CONFIG_A="a' 'CONFIG_A="a"b"' 'CONFIG_A="a b"' 'CONFIG_A=y;id' 'CONFIG_A=$(id)' 'CONFIG_A="`id`"' 'CONFIG_A-B=y' '*' = -- ' ' \
	'CONFIG_C=y CONFIG_A' 'CONFIG_A=y # CONFIG_B=y'; do
	said=$(name "$config")
	case $?:$(printf '%s\n' "$said" | grep -c ''):$said in
	1:1:*CONFIG*) ;;
	*) wrong="$wrong '$config': $said" ;;
	esac
done
ktap_eq 'what is no option is refused in a line' '' "$wrong"
demo CONFIG=CONFIG_A
ktap_eq 'by make, too, and nothing is built' '2 1 3' "$status $(grep -vc '^make' "$work/log") $(how_many)"
demo KERNEL=fast+00000000
ktap_match 'a name that nobody made' "*there is no kernel 'fast+00000000' here*" "$(cat "$work/log")"
demo "KERNEL=$one" CONFIG=CONFIG_C=y
ktap_match 'a name and other options' '*name different options*' "$(cat "$work/log")"
echo CONFIG_NONE= >"$work/tree/lost"
demo CONFIG=CONFIG_NONE=y
ktap_match 'an option that the tree does not know is named' '*does not provide what CONFIG with *asks for: CONFIG_NONE=y*' "$(cat "$work/log")"

# A tree whose Kconfig changes.
touch "$work/tree/Kconfig"
lab scripts/build-kernel.sh --is-built fast
ktap_eq 'a tree that changed is seen' 1 $?
rm "$work/tree/lost"
demo
ktap_ok_if 'its kernel is configured anew, and whole' [ "$status" -eq 0 ] || ktap_diag "$(cat "$work/log")"
echo CONFIG_RUST= >"$work/tree/lost"
demo
ktap_match 'an option that it has no more is named' '2 *does not provide what qemu/config/fast.config asks for: CONFIG_RUST=y*' "$status $(cat "$work/log")"
lab scripts/build-kernel.sh --is-built fast
ktap_eq 'and the old kernel is not taken for its' 1 $?
rm "$work/tree/lost"
lab scripts/build-kernel.sh fast >"$work/log" 2>&1
ktap_eq 'it is when the option is there again' 0 $? || ktap_diag "$(cat "$work/log")"

# Modules are installed. kbuild's depmod needs the symbols of the kernel.
kdir=$(readlink build/fast/kernel)
echo 7.3.0 >"$kdir/include/config/kernel.release"
mkdir "$work/bin"
printf '#!/bin/sh\necho "$*" >"%s"\n' "$work/depmod-ran" >"$work/bin/depmod"
chmod +x "$work/bin/depmod"
# install_in DIR: installs the modules below it.
install_in()
{
	rm -f "$work/depmod-ran"
	PATH=$work/bin:$PATH INSTALL_MOD_PATH=$1 lab scripts/build-module.sh "$kdir/" . build/kdir modules_install >"$work/log" 2>&1
}
echo 'ffffffffffffffff B The real System.map is in another package' >"$kdir/System.map"
install_in /some/where
ktap_eq 'without its symbols depmod runs without them' '0 true -b /some/where 7.3.0' \
	"$? $(cat build/kdir/depmod) $(cat "$work/depmod-ran")" || ktap_diag "$(cat "$work/log")"
echo 'ffffffff81000000 T _text' >"$kdir/System.map"
install_in /some/where
ktap_match 'with them kbuild runs it' '0  cat: *depmod-ran*' \
	"$? $(cat build/kdir/depmod) $(cat "$work/depmod-ran" 2>&1)" || ktap_diag "$(cat "$work/log")"

# The directory for modules is relative to where make was started.
for place in some/where /some/where; do
	install_in "$place"
	case $place in
	/*) wanted=$place ;;
	*) wanted=$work/lab/$place ;;
	esac
	ktap_eq "INSTALL_MOD_PATH=$place" "$wanted" "$(cat build/kdir/installed)" || ktap_diag "$(cat "$work/log")"
done

# A tree that was built in place.
if command -v rsync >/dev/null; then
	fake_tree "$work/own"
	mkdir -p "$work/own/include/config" "$work/own/arch/x86/include/generated"
	echo mine | tee "$work/own/.config" "$work/own/vmlinux" "$work/own/include/config/auto.conf" "$work/own/a.o" >/dev/null
	state()
	{
		(cd "$work/own" && find . -type f -exec stat -c '%n %s %y' {} + | sort && cat .config vmlinux include/config/auto.conf)
	}
	before=$(state)
	# shellcheck disable=SC2034 # for lab
	tree=$work/own
	demo
	ktap_eq 'a tree that was built in place will do' '0 guest of fast' "$status $said" || ktap_diag "$(cat "$work/log")"
	ktap_eq 'and stays as it is' "$before" "$(state)"
	source=$(lab scripts/kernel-source.sh)
	ktap_eq 'what is built is a copy without what was built' '' "$(cd "$source" && find . -name .config -o -name vmlinux -o -name '*.o' -o -name auto.conf)"
	echo "# changed" >>"$work/own/Kbuild"
	lab scripts/build-kernel.sh --is-built fast
	ktap_eq 'what changes in it is seen' 1 $?
	demo
	ktap_match 'and is in the copy' '*# changed' "$status $(cat "$source/Kbuild")"
else
	for number in 1 2 3 4 5; do
		ktap_skip "a tree that was built in place ($number)" 'there is no rsync'
	done
fi
ktap_finished
