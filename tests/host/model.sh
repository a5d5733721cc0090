#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: the model, in fewer interleavings than "make model", and its reports about
# wrong code and wrong breaks.

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# model ARGUMENT...: runs the model, with the output in $work/log.
model()
{
	"$top/proofs/model.sh" --quick "$@" >"$work/log" 2>&1
}

model
status=$?
[ $status -ne 4 ] || ktap_skip_all "$(sed -n 's/^model: skipped, as //p' "$work/log")"

ktap_plan 6
ktap_eq 'all tests pass, and all breaks are seen' '0 0' "$status $(grep -c '^not ok' "$work/log")" ||
	ktap_diag "$(grep -A 3 '^not ok\|does not build' "$work/log")"
ktap_match 'in many interleavings' '# [1-9][0-9][0-9] tests, [1-9][0-9][0-9][0-9][0-9]* interleavings; [1-9][0-9][0-9] breaks, *; 0 failed' \
	"$(tail -n 1 "$work/log")"

mkdir "$work/breaks" "$work/code"
cat >"$work/breaks/elsewhere" <<'END'
# Something that is not there.
# seen by: wake_wait
@ kthread/core.rs start
-let control = self.uncontrolled();
+
END
model --breaks "$work/breaks"
ktap_match 'a break of what is not there' "1 *breaks/elsewhere: there is no 'let control = self.uncontrolled();' in start of kthread/core.rs*" \
	"$? $(cat "$work/log")"

rm "$work/breaks/elsewhere"
cat >"$work/breaks/harmless" <<'END'
# Nothing.
# seen by: spawn_join
@ kthread/core.rs start
-control.reaped
+control.reaped || false
END
cp -R "$top/kthread" "$work/code"
# A wake-up is lost where somebody is about to sleep.
sed -i '/pub(super) fn wake(&self)/,/^    }/s/self.task().wake_up();//' "$work/code/kthread/core.rs"
! cmp -s "$top/kthread/core.rs" "$work/code/kthread/core.rs" || ktap_diag 'the change is none'
model --breaks "$work/breaks" --code "$work/code" --only harmless
ktap_match 'a break that does no harm' '1 *# breaks/harmless: spawn_join does not see it*' "$? $(cat "$work/log")"
model --breaks "$work/breaks" --code "$work/code" --only wake_wait
ktap_match 'code that loses a wake-up' '1 *# wake_wait: interleaving * with * preemptions: deadlock!*repeat it by *' "$? $(cat "$work/log")"
model --breaks "$work/breaks" --code "$work/code" --only spawn_stop
ktap_match 'a test that this makes no difference to' '0 *ok 1 spawn_stop *' "$? $(cat "$work/log")"
ktap_finished
