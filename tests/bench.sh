#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The operations of `make bench` work on both sides, and leave nothing behind.

. "$(dirname "$0")/lib/ktap.sh"

BENCH=/sys/kernel/debug/kthread_bench

modprobe kthread_bench || ktap_bail "kthread_bench does not load"
operations=$(cat "$BENCH/operations")

# run SIDE OPERATION: runs it twice, and checks that there is a figure.
# shellcheck disable=SC2317 # ktap_ok_if calls it
run()
{
	echo "$1 $2 2" >"$BENCH/run" && read -r figure <"$BENCH/run" && [ "${figure%% *}" -gt 0 ]
}

ktap_plan $(($(echo "$operations" | wc -l) + 6))

ktap_eq 'Rust does what C does' '' "$(echo "$operations" | sed -n '/^c plain_/d; s/^c //p' | while read -r op; do
	echo "$operations" | grep -qx "rust $op" || echo "$op"
done)"
while read -r side op; do
	ktap_ok_if "$op in $side" run "$side" "$op"
done <<-END
	$operations
END
ktap_errno 'an operation that there is not' ENOENT "$BENCH/run" 'c nothing 1'
ktap_errno 'no repetition' EINVAL "$BENCH/run" 'c create 0'
ktap_eq 'both show the same statistics' "$(cut -d ' ' -f 1 "$BENCH/stats_c")" \
	"$(cut -d ' ' -f 1 "${BENCH}_rust/stats")"
ktap_ok_if 'the module can be unloaded' rmmod kthread_bench
ktap_eq 'no thread is left' '' "$(ps -o ppid,args |
	awk '$1 == 2 && $2 ~ /^\[(bench|busy|ping|pong)\]$/ { print $2 }')"

ktap_finished
