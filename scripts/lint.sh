#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: lint.sh NAME [text]
#
# Checks format, warnings and style of everything in the project, with the rules of the
# kernel tree that the kernel NAME was built from. Runs all checks, and fails if any finds
# something. With "text" it leaves out clippy, which needs a build.

. "$(dirname "$0")/lib.sh"

name=${1:?usage: lint.sh NAME [text]}
cd "$TOP" || exit 1
src=$("$TOP/scripts/kernel-source.sh") || exit 1
tools=$("$TOP/scripts/toolchain.sh") || exit 1
status=0

tool()
{
	printf '%s\n' "$tools" | sed -n "s/^$1=//p"
}

# files PATTERN...: the project's own files with such names.
files()
{
	_tests=
	for _pattern; do
		_tests="$_tests${_tests:+ -o }-name $_pattern"
	done
	set -f
	# shellcheck disable=SC2086 # the tests are words
	find . \( -name .git -o -path ./build \) -prune -o -type f \( $_tests \) -print | LC_ALL=C sort
	set +f
}

# check WHAT COMMAND...: runs it on the files that standard input lists, one a line, and
# prints the result. Fails if the command does.
check()
{
	_what=$1
	shift
	_list=$(cat)
	if [ -z "$_list" ]; then
		return
	fi
	if printf '%s\n' "$_list" | tr '\n' '\0' | xargs -0 "$@"; then
		say "lint: $_what: clean ($(printf '%s\n' "$_list" | grep -c '') files)"
	else
		say "lint: $_what: see above"
		return 1
	fi
}

files '*.rs' | check rustfmt "$(tool RUSTFMT)" --check --edition 2021 --config-path "$src/.rustfmt.toml" || status=1
{
	files '*.sh'
	echo ./.ci/run
} | check shellcheck shellcheck -x -P SCRIPTDIR -P tests || status=1
# tr in the busybox of Debian 12 does not support character classes.
files '*.sh' | grep -v '^./scripts/' | check 'tr without classes' sh -c '! grep -nE "\\btr [^|]*\[:[a-z]+:\]" "$@"' sh || status=1
files '*.py' | check flake8 /usr/bin/python3 -m flake8 || status=1
files '*.py' | check mypy /usr/bin/python3 -m mypy --cache-dir build/mypy --no-error-summary || status=1
# checkpatch checks the style of C, and SPDX lines and whitespace of all other files. Types
# of messages that only make sense for a patch or in the tree are off.
files '*.[ch]' '*.rs' '*.sh' '*.py' |
	check checkpatch "$src/scripts/checkpatch.pl" --no-tree --terse --quiet --no-summary --show-types \
		--ignore FILE_PATH_CHANGES,CONFIG_DESCRIPTION,EMBEDDED_FILENAME,REPEATED_WORD,PREFER_DEFINED_ATTRIBUTE_MACRO,LONG_LINE,LONG_LINE_STRING,LONG_LINE_COMMENT,MAINTAINERS_STYLE -f || status=1

texts()
{
	files '*.[ch]' '*.rs' '*.sh' '*.py' '*.md' '*.rst' '*.toml' '*.config' '*.conf' '*.litmus' '*.tsv' '*.txt' \
		Kbuild Makefile
	echo ./.ci/run
}

texts | check codespell codespell || status=1
texts | check .editorconfig scripts/check-editorconfig.py || status=1
[ "${2:-}" != text ] || exit $status

# clippy WHAT OUTDIR [VARIABLE=VALUE]
clippy()
{
	_what=$1
	_out=$2
	shift 2
	rm -rf "$_out"
	if scripts/build-module.sh "$name" . "$_out" modules CLIPPY=1 "$@" &&
		! grep -q '^warning' "$_out.log"; then
		say "lint: $_what: clean"
	else
		say "lint: $_what: see above"
		status=1
	fi
}

clippy clippy "build/$name/clippy"
clippy 'clippy of the ports' "build/$name/clippy-ports" KTHREAD_PORTS=1
exit $status
