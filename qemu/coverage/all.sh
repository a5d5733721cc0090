#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest of "make coverage": all tests except those that make the kernel complain
# or need words on its command line. Complaints from the kernel's own races are allowed here,
# too.
# ksft-allow-splat: WARNING: .*full_proxy_open_regular\+

tests=
for test in /tests/*.sh; do
	grep -E '^# ksft-(expect-splat|allow-splat|cmdline):' "$test" | grep -qvF "$(grep '^# ksft-allow' "$0")" ||
		tests="$tests $test"
done
# shellcheck disable=SC2086 # the names are words
set -- $tests
echo "KTAP version 1"
echo "1..$#"
number=0
failed=0
for test; do
	number=$((number + 1))
	name=${test##*/}
	(cd /tmp && sh "$test" >/tmp/coverage.log 2>&1)
	case $? in
	0) echo "ok $number ${name%.sh}" ;;
	4) echo "ok $number ${name%.sh} # SKIP" ;;
	*)
		sed 's/^/# /' /tmp/coverage.log
		echo "not ok $number ${name%.sh}"
		failed=1
		;;
	esac
done
rm -f /tmp/coverage.log
exit $failed
