#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# These tests run under the kernel's own selftest runner, with the same results. /kselftest
# has the layout of kselftest_install.

. "$(dirname "$0")/lib/ktap.sh"

collection=rust_kthread_demo

# verdict FILE: the runner's verdict on its only test.
verdict()
{
	sed -n "s/^\(ok\|not ok\) 1 selftests: $collection: /\1 /p" "$1"
}

# add_test NAME LINE: adds a test to the collection.
add_test()
{
	cat >"$collection/$1" <<END
#!/bin/sh
. "\$(dirname "\$0")/lib/ktap.sh"
$2
ktap_finished
END
	chmod +x "$collection/$1"
	echo "$collection:$1" >>kselftest-list.txt
}

[ -x /kselftest/run_kselftest.sh ] || ktap_skip_all 'the kernel tree that this kernel was built from has no selftests'

ktap_plan 10

# A copy, to add misbehaving tests to.
mkdir /tmp/kselftest
cd /tmp/kselftest || ktap_bail 'no place for a copy'
cp -a /kselftest/kselftest /kselftest/run_kselftest.sh /kselftest/kselftest-list.txt .
mkdir "$collection"
cp -a "/kselftest/$collection/." "$collection"
list=$(sh run_kselftest.sh -l)
for test in lifecycle commands kselftest; do
	ktap_match "the list has $test" "*$collection:$test.sh*" "$list"
done

# The runner reopens its standard output, so everything has to append.
sh run_kselftest.sh -t "$collection:lifecycle.sh" >>output 2>&1
ktap_eq 'a test that passes' 0 $?
ktap_eq 'is said to have passed' 'ok lifecycle.sh' "$(verdict output)"
ktap_match 'with all that it says' '*# ok 1 *' "$(cat output)"

rm output
add_test fails.sh 'ktap_plan 1; ktap_fail "this one"'
sh run_kselftest.sh -t "$collection:fails.sh" >>output 2>&1
ktap_eq 'a test that fails' 1 $?
ktap_match 'is said to have failed' 'not ok fails.sh*' "$(verdict output)"

rm output
add_test skips.sh 'ktap_skip_all "nothing to do"'
sh run_kselftest.sh -t "$collection:skips.sh" >>output 2>&1
ktap_eq 'a test that has nothing to do' 0 $?
ktap_eq 'is said to have been skipped' 'ok skips.sh # SKIP' "$(verdict output)"

cd /
rm -r /tmp/kselftest
ktap_finished
