#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: build-series.sh patches|matrix [NAME...]
#
# Compiles the series of series/ for the builds that series/builds lists. "patches" compiles
# each prefix for the builds with a star, and then runs rustfmt, clippy and rustdoc;
# "matrix" compiles the whole series for all builds. Links no kernel. Prints KTAP.

. "$(dirname "$0")/../scripts/lib.sh"

what=${1:?usage: build-series.sh patches|matrix [NAME...]}
shift
need_host
need_build
src=$("$TOP/scripts/kernel-source.sh") || exit 1
src=$(cd "$src" && pwd -P) || exit 1
make_cache
place=$CACHE/kunit/$(printf '%s\n' "$src" | hash_of)-series
need_space "$CACHE" 4000 "what the series is compiled to"
mkdir -p "$place"
lock "$place/lock" "the series"
touch "$place/used"
ln -sfn "$src" "$place/source"
tree=$place/tree
logs=$TOP/build/series
mkdir -p "$logs"
names=$("$TOP/series/series.py" list "$src")
count=$(printf '%s\n' "$names" | grep -c '')

# table: the requested builds, one a line.
table()
{
	grep -v '^#' "$TOP/series/builds" | while read -r name rest; do
		plain=${name%\*}
		if [ $# -gt 0 ]; then
			case " $* " in *" $plain "*) ;; *) continue ;; esac
		elif [ "$what" = patches ] && [ "$plain" = "$name" ]; then
			continue
		fi
		echo "$plain $rest"
	done
}

for name; do
	[ -n "$(table "$name")" ] || die "series/builds has no '$name': it has $(grep -v '^#' "$TOP/series/builds" | cut -d ' ' -f 1 | tr -d '*' | paste -sd ' ')"
done

# use COMPILER RUSTC: sets $tools for make, and $why if they are not available.
use()
{
	why=
	tools=$("$TOP/scripts/toolchain.sh" "$1" 2>&1) || die "${tools#*: }"
	if [ "$2" = oldest ]; then
		old=$(oldest_rustc) || why="no rustc $MIN_RUSTC was unpacked: make metadata KERNEL=debian does"
		tools=$(printf '%s\n' "$tools" | sed "s|^\\(HOST\\)\\?RUSTC=.*|\\1RUSTC=$old|")
	fi
}

# oldest_rustc: a rustc in the cache of the oldest version that the kernel accepts.
oldest_rustc()
{
	find "$CACHE/toolbox" -maxdepth 3 -name rustc 2>/dev/null | while IFS= read -r rustc; do
		if [ "$("$rustc" --version 2>/dev/null | cut -d ' ' -f 2)" = "$MIN_RUSTC" ] ||
			"$rustc" --version 2>/dev/null | grep -q " ${MIN_RUSTC%.*}\\."; then
			echo "$rustc"
			break
		fi
	done | grep .
}

# make_in DIR ARCH GOALS...
make_in()
{
	_dir=$1
	_arch=$2
	shift 2
	for _tool in $tools; do
		set -- "$@" "$_tool"
	done
	build make -s -C "$tree" O="$_dir" ARCH="$_arch" -j"$(nproc)" "$@"
}

# configure DIR ARCH [OPTION|!OPTION...]
configure()
{
	_out=$1
	_for=$2
	shift 2
	mkdir -p "$_out"
	{
		grep -v DOCTESTS "$TOP/series/tree/rust/kernel/kthread/.kunitconfig"
		for _option; do
			case $_option in
			!*) echo "# CONFIG_${_option#!} is not set" ;;
			*) echo "CONFIG_$_option=y" ;;
			esac
		done
		echo CONFIG_SAMPLES=y
		echo CONFIG_SAMPLES_RUST=y
		sed -n 's/^config \(SAMPLE_RUST_KTHREAD_.*\)/CONFIG_\1=m/p' "$tree/samples/rust/Kconfig"
	} >"$_out/fragment"
	make_in "$_out" "$_for" allnoconfig KCONFIG_ALLCONFIG="$_out/fragment" || return 1
	for _option; do
		case $_option in
		!*) ! grep -q "^CONFIG_${_option#!}=" "$_out/.config" ;;
		*) grep -q "^CONFIG_$_option=y" "$_out/.config" ;;
		esac || {
			echo "error: the option $_option is not available here"
			return 1
		}
	done
	grep -q '^CONFIG_RUST=y' "$_out/.config" || {
		echo "error: there is no Rust for this configuration"
		return 1
	}
}

# compile LOG DIR ARCH OPTIONS...: compiles what the series adds. A warning is an error.
compile()
{
	_log=$1
	shift
	_where=$1
	_for=$2
	{
		configure "$@" && make_in "$_where" "$_for" prepare &&
			if grep -q SAMPLE_RUST_KTHREAD "$_where/.config"; then
				make_in "$_where" "$_for" samples/rust/
			fi
	} >"$_log" 2>&1 && ! grep -q '^warning' "$_log"
}

number=0
failed=0
skipped=0
result()
{
	number=$((number + 1))
	case $1 in
	0) echo "ok $number $2" ;;
	skip)
		skipped=$((skipped + 1))
		echo "ok $number $2 # SKIP $3"
		;;
	*)
		failed=$((failed + 1))
		echo "not ok $number $2 # see $3"
		first_errors "$3" | sed 's/^/# /'
		;;
	esac
}

# Format the files, as "rustfmtcheck" checks them.
rustfmt=
[ "$what" = matrix ] || rustfmt=$("$TOP/scripts/toolchain.sh" none | sed -n 's/^RUSTFMT=//p')
"$TOP/series/in-tree.sh" "$src" "$tree" || exit 1

set -f
builds=$(table "$@")
total=$(printf '%s\n' "$builds" | grep -c '')
[ "$what" = matrix ] || total=$((total * (count + 3)))
echo "KTAP version 1"
echo "1..$total"
shift $#
printf '%s\n' "$builds" | {
	while read -r name arch compiler rustc options; do
		use "$compiler" "$rustc"
		dir=$place/$name
		n=$count
		[ "$what" = matrix ] || n=1
		while [ "$n" -le "$count" ]; do
			label=$name
			[ "$what" = matrix ] || label="$name, $(printf '%s\n' "$names" | sed -n "${n}p")"
			if [ -n "$why" ]; then
				result skip "$label" "$why"
			else
				log=$logs/$name-$n.log
				said=$(RUSTFMT=$rustfmt "$TOP/series/series.py" write "$src" "$tree" "$n" 2>&1) || die "${said#series.py: }"
				progress_start "$label" 0 nothing
				# shellcheck disable=SC2086 # the options are words
				compile "$log" "$dir" "$arch" $options
				status=$?
				progress_stop
				result $status "$label" "$log"
			fi
			n=$((n + 1))
		done
		[ "$what" = patches ] || continue
		for goal in rustfmtcheck CLIPPY=1 rustdoc; do
			log=$logs/$name-$goal.log
			case $goal in
			CLIPPY=1)
				rm -f "$dir/rust/kernel.o" "$dir/rust/libkernel.rmeta"
				make_in "$dir" "$arch" CLIPPY=1 prepare >"$log" 2>&1
				;;
			*) make_in "$dir" "$arch" $goal >"$log" 2>&1 ;;
			esac && ! grep -q '^warning' "$log"
			result $? "$name, $goal" "$log"
		done
	done
	echo "$((number - failed - skipped)) passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}
