#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: "make proofs" on what there is, and on copies in which something is wrong.

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

copy()
{
	rm -rf "$work/copy"
	mkdir -p "$work/copy/docs" "$work/copy/proofs"
	cp -R "$top/kthread" "$top/demo" "$top/stats" "$work/copy"
	cp -R "$top/proofs/litmus" "$work/copy/proofs"
	cp "$top/docs/proofs.md" "$work/copy/docs"
}

# found NAME FILE SED LINE: with that change of FILE, LINE is all that is wrong, in one result.
found()
{
	copy
	sed -i "$3" "$work/copy/$2"
	! cmp -s "$top/$2" "$work/copy/$2" || ktap_diag "the change of $2 is none: $3"
	"$top/proofs/proofs.sh" --tests "$work/copy/proofs/litmus" --code "$work/copy" --only "$(basename "$2" .litmus)" >"$work/log" 2>&1
	ktap_match "$1" "1 1 # $4" "$? $(grep -c '^not ok' "$work/log") $(grep '^# [a-zA-Z/]*/' "$work/log")"
}

tests=proofs/litmus
said=$("$top/proofs/herd.sh" --check 2>&1) || ktap_skip_all "${said#*: }"

ktap_plan 19
"$top/proofs/proofs.sh" >"$work/log" 2>&1
ktap_eq 'all is proved' '0 0' "$? $(grep -c '^not ok' "$work/log")" || ktap_diag "$(grep -A 9 '^not ok' "$work/log")"
ktap_match 'and each variant shown to be possible' '# [1-9]* tests, [1-9][0-9][0-9]* variants of which are possible or a data race; 0 failed' \
	"$(tail -n 1 "$work/log")"

found 'a test without a barrier' $tests/wake-wait.litmus '/^	smp_mb();$/d' \
	"$tests/wake-wait.litmus: herd7 says Sometimes, and it has to be Never"
found 'a test with a barrier that is too much' $tests/run-time.litmus 's/smp_wmb();/smp_mb();/' \
	"$tests/run-time.litmus: line [0-9]*: smp_mb() is smp_wmb(): herd7 says Never, so it is not needed there"
found 'a test with a data race' $tests/value.litmus 's/cmpxchg_release/cmpxchg_relaxed/' \
	"$tests/value.litmus: herd7 says * data-race, and it has to be Never"
found 'a test without a clause' $tests/once.litmus 's/^exists/forall/' "$tests/once.litmus: it has no exists clause"
found 'a test that herd7 does not take' $tests/lifecycle.litmus 's/^P0(/P0 /' \
	"$tests/lifecycle.litmus: herd7 says Warning: *, and it has to be Never"
found 'a barrier that models nothing' $tests/queue-take.litmus '/woken_wake_function: smp_mb/d' \
	"$tests/queue-take.litmus: line [0-9]*: 'smp_mb();' models nothing"
found 'what the kernel tree does not do' $tests/exiting.litmus 's/tsk->flags |=/tsk->flags \&=/' \
	"$tests/exiting.litmus:*: there is no 'tsk->flags &= PF_EXITING' in exit_signals of kernel/signal.c of the kernel tree"

found 'code that does not name its test' kthread/context.rs '/ORDERING.*wake-wait/d' \
	"kthread/context.rs:*: wait_deadline does not name $tests/wake-wait.litmus, which models it"
found 'code that names no test' kthread/core.rs '/fn done/a\        // ORDERING: proofs/litmus/done.litmus' \
	"kthread/core.rs:*: done names '$tests/done.litmus', and there is no such test"
found 'code that names a test of something else' kthread/core.rs '/fn done/a\        // ORDERING: proofs/litmus/once.litmus' \
	"kthread/core.rs:*: done names $tests/once.litmus, which does not model it"
found 'code without its barrier' kthread/wait_queue.rs '/fn take(/,/^    }/{/smp_mb(Full);/d}' \
	"kthread/wait_queue.rs: take has no 'smp_mb(Full)', which $tests/queue-take.litmus:[0-9]* models"
found 'code in another order' stats/counters.rs '/^        write_barrier();/d; s/^        self.runs.add(1);/&\n        write_barrier();/' \
	"$tests/run-time.litmus:*: 'self.runs.add(1)' of stats/counters.rs comes before what the test has above it"
found 'code with less order' kthread/worker/gate.rs 's/fetch_add(Self::CLOSED, Acquire)/fetch_add(Self::CLOSED, Relaxed)/' \
	"kthread/worker/gate.rs: close has no 'self.users.fetch_add(Self::CLOSED, Acquire)', which $tests/gate-*.litmus:[0-9]* models, and [0-9] more do"
found 'code with more order' stats/counters.rs 's/self.unparks.load(Relaxed)/self.unparks.load(Acquire)/' \
	"stats/counters.rs: unparks has no 'self.unparks.load(Relaxed)', which $tests/unpark-count.litmus:[0-9]* models"
found 'code with a new access' demo/lifecycle.rs 's/^        self.record_at(event, monotonic_ns());/        self.next.store(0, Relaxed);\n&/' \
	"demo/lifecycle.rs:*: record: '*self.next.store(' is in no test, nor in docs/proofs.md as what needs no order"
found 'what needs no order and has it' stats/counters.rs 's/self.parks.fetch_add(1, Relaxed)/self.parks.fetch_add(1, Full)/' \
	"stats/counters.rs: add_park has no 'self.parks.fetch_add(1, Relaxed)', which docs/proofs.md says of it"
found 'a page without a test' docs/proofs.md '/^| .gate. |/d' "docs/proofs.md: the line '| ?gate? | * is not there"
ktap_finished
