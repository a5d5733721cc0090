# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# KTAP for tests written in POSIX sh (Documentation/dev-tools/ktap.rst), sourced with
# `. "$(dirname "$0")/lib/ktap.sh"`. A test calls ktap_plan, reports one result
# for each assertion, and ends with ktap_finished, which exits with the code of
# kselftest: 0 pass, 1 fail, 4 skip.

KSFT_FAIL=1
KSFT_SKIP=4

ktap_planned=
ktap_number=0
ktap_failed=0
ktap_skipped=0

# ktap_plan N: announces N results.
ktap_plan()
{
	ktap_planned=$1
	printf 'KTAP version 1\n1..%d\n' "$1"
}

# ktap_skip_all REASON: ends the whole test as skipped, instead of ktap_plan.
ktap_skip_all()
{
	printf 'KTAP version 1\n1..0 # SKIP %s\n' "$*"
	exit "$KSFT_SKIP"
}

# ktap_needs_memory MIB: skips the whole test if there is less memory.
ktap_needs_memory()
{
	ktap_memory=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	[ "$ktap_memory" -ge "$1" ] || ktap_skip_all "needs $1 MiB of memory, and $ktap_memory MiB can be had"
}

# ktap_diag TEXT: prints a diagnostic line.
ktap_diag()
{
	printf '%s\n' "$*" | while IFS= read -r ktap_line || [ -n "$ktap_line" ]; do
		printf '# %s\n' "$ktap_line"
	done
}

# ktap_pass NAME
ktap_pass()
{
	ktap_number=$((ktap_number + 1))
	printf 'ok %d %s\n' "$ktap_number" "$*"
}

# ktap_fail NAME
ktap_fail()
{
	ktap_number=$((ktap_number + 1))
	ktap_failed=$((ktap_failed + 1))
	printf 'not ok %d %s\n' "$ktap_number" "$*"
}

# ktap_skip NAME REASON
ktap_skip()
{
	ktap_number=$((ktap_number + 1))
	ktap_skipped=$((ktap_skipped + 1))
	printf 'ok %d %s # SKIP %s\n' "$ktap_number" "$1" "$2"
}

# ktap_skip_each REASON NAME...: skips one result for each name.
ktap_skip_each()
{
	ktap_reason=$1
	shift
	for ktap_name; do
		ktap_skip "$ktap_name" "$ktap_reason"
	done
}

# ktap_bail REASON: ends the test as failed.
ktap_bail()
{
	printf 'Bail out! %s\n' "$*"
	exit "$KSFT_FAIL"
}

# ktap_printable TEXT: prints TEXT for the name of a test, with ? for what a terminal might act
# on. The tr of Debian 12's busybox has no classes.
ktap_printable()
{
	case $1 in
	*[!\ -~]*) printf '%s' "$1" | tr -c ' -~' '?' ;;
	*) printf '%s' "$1" ;;
	esac
}

# ktap_ok_if NAME COMMAND...: passes if the command succeeds.
ktap_ok_if()
{
	ktap_name=$1
	shift
	if "$@"; then
		ktap_pass "$ktap_name"
	else
		ktap_diag "failed: $*"
		ktap_fail "$ktap_name"
		return 1
	fi
}

# ktap_eq NAME EXPECTED GOT: passes if both texts are equal.
ktap_eq()
{
	if [ "$2" = "$3" ]; then
		ktap_pass "$1"
	else
		ktap_diag "expected '$2', got '$3'"
		ktap_fail "$1"
		return 1
	fi
}

# ktap_match NAME PATTERN GOT: passes if the text matches the shell pattern.
ktap_match()
{
	# shellcheck disable=SC2254 # The pattern is meant to be one.
	case $3 in
	$2)
		ktap_pass "$1"
		;;
	*)
		ktap_diag "expected something like '$2', got '$3'"
		ktap_fail "$1"
		return 1
		;;
	esac
}

# ktap_errno NAME EXPECTED FILE [TEXT]: passes if one write(2) of TEXT (without a
# newline) to FILE ends with the errno of that name, or with OK.
ktap_errno()
{
	ktap_eq "$1" "$2" "$(write_errno "$3" "${4-}")"
}

# write_errno FILE [TEXT]: writes TEXT in exactly one write(2) and prints the
# name of its errno, OK, or SHORT if not all of it was taken.
write_errno()
{
	write1 "$1" "${2-}"
}

# wait_for SECONDS COMMAND...: polls until the command succeeds; its output is
# not shown. Fails when the time (scaled for slow kernels) is up.
wait_for()
{
	read -r ktap_now _ </proc/uptime
	ktap_end=$((${ktap_now%.*} + $1 * ${KSFT_SLOWNESS:-1} + 1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		read -r ktap_now _ </proc/uptime
		if [ "${ktap_now%.*}" -ge "$ktap_end" ]; then
			ktap_diag "gave up waiting for: $*"
			return 1
		fi
		usleep 10000
	done
}

# ktap_finished: compares the results with the plan and exits.
ktap_finished()
{
	if [ "$ktap_number" -ne "${ktap_planned:-0}" ]; then
		ktap_diag "planned ${ktap_planned:-no plan}, reported $ktap_number"
		exit "$KSFT_FAIL"
	fi
	[ "$ktap_failed" -eq 0 ] || exit "$KSFT_FAIL"
	[ "$ktap_skipped" -lt "$ktap_number" ] || exit "$KSFT_SKIP"
	exit 0
}
