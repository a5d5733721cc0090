#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: model.sh [--quick] [--code DIR] [--breaks DIR] [--only NAME]
#        model.sh --build OUT [--code DIR]
#
# Runs kthread/ on a model of the kernel, in many interleavings (fewer with --quick), and
# shows that it catches each of the breaks: see docs/proofs.md. Exits with 4, and says why,
# if the model does not build because cargo or the crates are missing. With --build it is built
# in OUT, without breaks, and not run.

. "$(dirname "$0")/../scripts/lib.sh"

# CARGO_HOME: where the crates are.
BOX=$CACHE/toolbox/cargo
MODEL=$TOP/proofs/model

skip()
{
	say "model: skipped, as $*"
	exit 4
}

quick=
code=$TOP
breaks=$MODEL/breaks
only=
target=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--code | --breaks | --only | --build)
		[ -n "${2:-}" ] || die "$1 needs a value"
		case $1 in
		--code) code=$(realpath -e -- "$2") || exit 1 ;;
		--breaks) breaks=$(realpath -e -- "$2") || exit 1 ;;
		--only) only=$2 ;;
		--build) target=$2 ;;
		esac
		shift
		;;
	*) die "there is no $1" ;;
	esac
	shift
done

rustc=$("$TOP/scripts/toolchain.sh" none 2>/dev/null | sed -n 's/^RUSTC=//p')
[ -n "$rustc" ] || skip "there is no rustc: make model installs one"
cargo=$(command -v cargo || command -v "${HOME:-/root}/.cargo/bin/cargo") || skip "there is no cargo: make model installs one"
need_build
make_cache
out=$TOP/build/model
mkdir -p "$BOX" "$out"
touch "$BOX/used"
lock "$out/lock" "the model"

# shuttle uses a feature that is stable since this version.
flags=
version_ok "$(version_of "$rustc")" 1.87.0 || flags='-Zcrate-attr=feature(unsigned_is_multiple_of)'

# run_cargo ARGUMENT...: uses the toolchain of the lab, and the mirror that the user has configured.
run_cargo()
{
	set -- "$@" --locked --manifest-path "$MODEL/Cargo.toml"
	_config=${HOME:-/root}/.cargo/config.toml
	[ ! -f "$_config" ] || set -- "$@" --config "$_config"
	env RUSTC="$rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" CARGO_HOME="$BOX" "$cargo" "$@" 8>&-
}

# build_model DIR: builds it in DIR from $code. The environment has further settings.
build_model()
{
	MODEL_CODE=$code run_cargo build --quiet --target-dir "$1" >"$1.log" 2>&1 && return
	why=$(sed -n 's/^ *\(breaks\/.*\)/\1/p' "$1.log" | head -n 1)
	[ -n "$why" ] || why=$(grep -m 1 '^error' "$1.log")
	die "the model does not build: $why (all of it: $1.log)"
}

if ! run_cargo fetch --quiet --offline >"$out/fetch.log" 2>&1; then
	say "model: fetching crates into the cache"
	run_cargo fetch --quiet >"$out/fetch.log" 2>&1 ||
		skip "cargo failed to fetch its crates: $(grep -m 1 -A 8 '^error' "$out/fetch.log" | tail -n 1 | sed 's/^ *//')"
fi
if [ -n "$target" ]; then
	build_model "$target"
	exit
fi
[ -x "$out/broken/debug/model" ] || say "model: building, for about a minute the first time"
MODEL_BREAKS=$breaks build_model "$out/broken"
set -- "$out/broken/debug/model" "$breaks"
[ -z "$only" ] || set -- --only "$only" "$@"
if [ -z "$quick" ]; then
	# The unchanged code, without the breaks.
	build_model "$out/whole"
	set -- --whole "$out/whole/debug/model" "$@"
fi
exec python3 "$TOP/proofs/model.py" $quick "$@"
