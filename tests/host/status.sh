#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: the exit status of scripts/vm.sh is that of qemu/vm.py, or 125 if that did
# not run. The scripts that build and boot are fakes.
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/scripts" "$work/qemu" "$work/repo" "$work/mine"
cp "$top/scripts/vm.sh" "$top/scripts/lib.sh" "$work/scripts"
cp "$top/qemu/project.conf" "$work/qemu"

# fake FILE LINE...
fake()
{
	_file=$work/$1
	shift
	{
		echo '#!/bin/sh'
		printf '%s\n' "$@"
	} >"$_file"
	chmod +x "$_file"
}

# vm OPTION...: its status and output, in one line.
vm()
{
	said=$("$work/scripts/vm.sh" "$@" 2>&1)
	echo "$?${said:+ $said}" | tr '\n' ' ' | sed 's/ $//'
}

ktap_plan 15

fake scripts/prepare.sh 'exit 0'
# shellcheck disable=SC2016 # the made-up program expands it
fake qemu/vm.py 'exit "$2"'
for status in 0 1 2 42 125 139 255; do
	ktap_eq "a script that exits with $status" "$status" "$(vm --script $status)"
done

for status in 1 2 125; do
	fake scripts/prepare.sh "exit $status"
	ktap_match "a build that ends with $status is none of the script's" '125 vm.sh: nothing was run*' "$(vm --script 0)"
done
fake scripts/prepare.sh 'exit 130'
ktap_eq 'an interrupted build' 130 "$(vm --script 0)"

# shellcheck disable=SC2016 # the made-up programs expand these
{
	fake scripts/prepare.sh 'echo "prepare $*"'
	fake qemu/vm.py 'echo "vm $*"'
}
cd "$work" || exit 1
ktap_eq 'the kernel and a module that it names are built first' \
	"0 prepare rt $work/scripts/build-module.sh rt $work/mine $work/mine/build/rt vm --module mine --kernel=rt --script x --module $work/mine" \
	"$(vm --module mine --kernel=rt --script x)"
ktap_eq 'help builds nothing' '0 vm --help' "$(vm --help)"
fake scripts/prepare.sh 'exit 0'
# shellcheck disable=SC2016 # the made-up program expands it
fake qemu/vm.py 'echo some; echo $? >"${0%/*}/wrote"; exit 0'
"$work/scripts/vm.sh" --script x >&- 2>"$work/said"
ktap_eq 'what is closed stays so' 1 "$(cat "$work/qemu/wrote")"

# git bisect skips a commit that does not build, and finds the first bad one.
bisects='git bisect run finds what is bad'
if ! command -v git >/dev/null; then
	ktap_skip "$bisects" "there is no git"
	ktap_finished
fi
# shellcheck disable=SC2016 # the made-up program expands it
fake qemu/vm.py 'exit "$(cat "$2")"'
found=$(
	cd "$work/repo" || exit 1
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
	{
		git init -q
		for status in 0 0 125 0 113 1 42; do
			echo "$status" >status
			git add status
			git commit -q --allow-empty -m "$status"
		done
		git bisect start HEAD "$(git rev-list --max-parents=0 HEAD)"
		git bisect run "$work/scripts/vm.sh" --script status
	} >"$work/log" 2>&1
	git log -1 --format=%s refs/bisect/bad
)
ktap_eq "$bisects" 113 "$found" || ktap_diag "$(cat "$work/log")"
ktap_finished
