#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-timeout: 120
#
# Random commands, each compared with a model of its effect; fewer on a slow kernel.
# FUZZ_SEED and FUZZ_COUNT in the environment set the seed and the number. If that takes
# longer than the limit of a test, run this from a script with `make vm`.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

seed=${FUZZ_SEED:-4}
count=${FUZZ_COUNT:-$((20000 / ${KSFT_SLOWNESS:-1}))}
max_workers=8

ktap_plan 2

demo_load workers=0 max_workers=$max_workers
ktap_diag "seed $seed, $count commands"
fuzz "$seed" "$count" $max_workers "$(nproc)" >/tmp/fuzzed
status=$?
ktap_diag "$(cat /tmp/fuzzed)"
if [ $status -ne 0 ]; then
	shortest=$(sed -n 's/^shortest //p' /tmp/fuzzed)
	ktap_diag "the shortest that shows it: make test TESTS=fuzz FUZZ_SEED=$seed FUZZ_COUNT=${shortest:-$count}"
fi
ktap_eq "$count commands do what the model does" 0 $status
rm /tmp/fuzzed

demo_unload
ktap_ok_if 'nothing is left' demo_is_gone
ktap_finished
