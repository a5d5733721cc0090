#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: bench/baseline.json has the operations that the benchmark has, and
# what moved away from it is told.

KERNEL=${1:-${KERNEL:-fast}}
. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
baseline=$top/bench/baseline.json
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# listed: SIDE OPERATION for each in the file, of any of its kernels.
listed()
{
	python3 -c '
import json, sys
for kernel in json.load(open(sys.argv[1])).values():
    for op, sides in kernel["counts"].items():
        for side in sides:
            print(side, op)' "$baseline" | LC_ALL=C sort -u
}

# results FACTOR [RELEASE]: a run in which each operation in Rust takes FACTOR times what it did.
results()
{
	python3 -c '
import json, sys
old = json.load(open(sys.argv[1]))["fast"]
options = {key: old[key] for key in ("CC_VERSION_TEXT", "RUSTC_VERSION_TEXT")}
json.dump({"configuration": {"kernel name": "fast", "kernel": sys.argv[3] or old["kernel"], "options": options, "ns per instruction": 1},
           "samples": {op: {side: {"n": 1, "ns": [count * (float(sys.argv[2]) if side == "rust" else 1)]}
                            for side, count in sides.items()} for op, sides in old["counts"].items()}}, sys.stdout)
' "$baseline" "$1" "${2:-}" >"$work/results.json"
	said=$("$top/bench/baseline.py" "$work/results.json" 2>&1)
	status=$?
}

ktap_plan 6
# Operations with figures of their own have no count; a read of statistics reads files.
"$top/scripts/run.sh" qemu/vm.py --kernel "$KERNEL" \
	--command 'modprobe kthread_bench && cat /sys/kernel/debug/kthread_bench/operations && rmmod kthread_bench' >"$work/operations" 2>"$work/log" ||
	ktap_diag "$(cat "$work/log")"
ktap_eq 'the baseline has the operations of the module' \
	"$({
		grep -v -e ' scale$' -e ' stop_slow$' -e ' wake_load$' "$work/operations"
		printf '%s\n' 'c stats_read' 'rust stats_read'
	} | LC_ALL=C sort)" "$(listed)"
results 1
ktap_eq 'what has not moved' '0 within 1 % of bench/baseline.json, each operation' "$status $said"
results 1.009
ktap_eq 'a little is no move' 0 "$status"
results 1.05
ktap_eq 'what takes more is told, of each operation of more than some instructions' "1 0" \
	"$status $(printf '%s\n' "$said" | grep -vc '^moved: [a-z_]* in rust takes [0-9.]* instructions, and took [0-9.]* (+[45]\.[0-9] %)$')"
results 1.05 7.9.9
ktap_match 'another kernel is not compared' '0 not compared with *' "$status $said"
echo '{' >"$work/results.json"
"$top/bench/baseline.py" "$work/results.json" >"$work/log" 2>&1
ktap_match 'what is no file of results' "1 1 baseline.py: $work/results.json: *" \
	"$? $(grep -c '' "$work/log") $(cat "$work/log")"
ktap_finished
