#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: kernel-options.sh [--name] NAME
#
# Prints the options of qemu/config/NAME.config, one CONFIG_X=VALUE a line, where n
# stands for "not set". A line "# Base: OTHER" in the fragment includes the options of
# OTHER; the last value of an option counts. "# Place: WORD" includes the lines below the
# same line in the architecture's file in qemu/arch. A fragment with "# Only: ARCH" is for
# that architecture only.
#
# The kernel NAME@ARCH is the same for a foreign architecture.
#
# A kernel NAME+HASH has more options, which build/NAME+HASH/options lists. --name makes
# that file from NAME and CONFIG="CONFIG_X=VALUE ...", and prints the name. With SHARE the
# kernel is able to mount a directory of the host.

. "$(dirname "$0")/lib.sh"

need_host

only_name=
if [ "${1:-}" = --name ]; then
	only_name=yes
	shift
fi
name=${1:?usage: kernel-options.sh [--name] NAME}
base_name=${name%%+*}
wish=$(fragment_of "$name")
fragment=$TOP/qemu/config/$wish.config
case $wish in
'' | *[!a-zA-Z0-9_-]*) fragment= ;;
esac
[ -f "$fragment" ] ||
	die "there is no kernel '$name': KERNEL is one of $(cd "$TOP/qemu/config" && printf '%s ' *.config | sed 's/\.config//g')"
arch=$(arch_of "$name")
case $base_name in
*@*)
	is_arch "$arch" || die "there is no architecture '$arch' here: ARCH is one of $(archs)"
	[ "$arch" != "$(host_arch)" ] || die "this machine is $arch, so its kernel is called '$wish': leave @$arch out"
	;;
esac
only=$(sed -n 's/^# Only: //p' "$fragment")
[ "${only:-$arch}" = "$arch" ] ||
	die "the kernel '$wish' is for $only alone: leave ARCH out, or choose another kernel"

# last: keeps the last value of each option, in the order of their first lines.
last()
{
	awk -F = '
		NF && !($1 in value) { order[n++] = $1 }
		{ value[$1] = $0 }
		END { for (i = 0; i < n; i++) print value[order[i]] }'
}

# own WORD...: prints the words of CONFIG, one a line, or dies of a malformed one.
own()
{
	for _word; do
		_value=${_word#*=}
		case $_word in
		CONFIG_=* | *[!A-Za-z0-9_.,/:@+=\"-]*) _value= ;;
		CONFIG_[A-Z0-9a-z]*=*) ;;
		*) _value= ;;
		esac
		case ${_word%%=*} in
		*[!A-Za-z0-9_]*) _value= ;;
		esac
		case $_value in
		y | n | \"*\") ;;
		m) die "CONFIG: $_word: the guest has no modules of the kernel, so build it in: say ${_word%m}y" ;;
		0x*[!0-9a-fA-F]* | 0x) _value= ;;
		0x*) ;;
		*[!0-9-]* | ?*-* | -) _value= ;;
		esac
		case $_value in
		\"*\"*\" | \") _value= ;;
		esac
		[ -n "$_value" ] ||
			die "CONFIG: '$_word' is not an option: say CONFIG_X=y, =n, a number, or a \"text\" without blanks; separate several with blanks"
		printf '%s\n' "$_word"
	done
}

# 9p needs the network, which adds a tenth to the build time.
NINE_P="CONFIG_NET=y CONFIG_NETWORK_FILESYSTEMS=y CONFIG_NET_9P=y CONFIG_NET_9P_FD=n
	CONFIG_NET_9P_VIRTIO=y CONFIG_9P_FS=y"

# words_of_config: one a line, sorted.
words_of_config()
{
	set -f
	# shellcheck disable=SC2086 # the words of CONFIG
	_words=$(own ${SHARE:+$NINE_P} ${CONFIG:-}) || exit 1
	printf '%s\n' "$_words" | last | LC_ALL=C sort
}

if [ -n "$only_name" ]; then
	[ -z "$(kernel_package "$name")" ] ||
		die "KERNEL=$name is a package with Debian's options, and CONFIG and SHARE need a kernel of the lab: leave KERNEL out"
	[ "$name" = "$base_name" ] || die "KERNEL=$name already has its options: say CONFIG= with KERNEL=$base_name"
	options=$(words_of_config) || exit 1
	[ -n "$options" ] || die "CONFIG is empty: say CONFIG=\"CONFIG_X=y ...\""
	name=$name+$(printf '%s\n' "$options" | hash_of | cut -c 1-8)
	mkdir -p "$TOP/build/$name" || exit 1
	printf '%s\n' "$options" >"$TOP/build/$name/options.$$" &&
		mv "$TOP/build/$name/options.$$" "$TOP/build/$name/options" || exit 1
	printf '%s\n' "$name"
	exit
fi

more=
if [ "$name" != "$base_name" ]; then
	more=$(cat "$TOP/build/$name/options" 2>/dev/null)
	[ "$name" = "$base_name+$(printf '%s\n' "$more" | hash_of | cut -c 1-8)" ] ||
		die "there is no kernel '$name' here (any more): say KERNEL=$base_name CONFIG=\"CONFIG_X=y ...\" once again"
	[ -z "${CONFIG:-}" ] || [ "$(words_of_config)" = "$more" ] ||
		die "KERNEL=$name and CONFIG name different options: leave one of the two out"
fi
base=$(sed -n 's/^# Base: //p' "$fragment")
inherited=
if [ -n "$base" ]; then
	case $base_name in
	*@*) base=$base@$arch ;;
	esac
	inherited=$("$0" "$base") || exit 1
fi

# whole: the fragment with the lines that the architecture adds.
whole()
{
	awk '
		/^# Place: / { place = $3 }
		FNR == NR { text[place] = text[place] $0 "\n"; next }
		/^# Place: / { printf "%s", text[$3] }
		1' "$TOP/qemu/arch/$arch.conf" "$fragment"
}

{
	printf '%s\n' "$inherited"
	whole | sed -n 's/^# \(CONFIG_[A-Za-z0-9_]*\) is not set.*/\1=n/p; s/^\(CONFIG_[^#]*[^#[:blank:]]\).*/\1/p'
	printf '%s\n' "$more"
} | last
