#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-timeout: 120
#
# Runs in a guest whose clock counts instructions: jobs of two priorities on workers and on a
# workqueue, under load. Writes their waiting times to /out/waits.

. /tests/lib/ktap.sh

# said PATTERN: the matching log lines of the module.
said()
{
	dmesg | sed -n "s/.*rust_job_queue: \\($1\\)$/\\1/p"
}

# waited KIND PERCENT: the percentile of the waiting times of a kind of job, in nanoseconds.
waited()
{
	said "$1 $2 % .*" | sed 's/.* \([0-9]*\) ns/\1/'
}

ktap_plan 5
ktap_ok_if 'the jobs are done' modprobe rust_job_queue
ktap_eq 'each job of a worker ran once, and in order' 'urgent: 500 of 500 jobs ran, in order
usual: 500 of 500 jobs ran, in order' "$(said 'u[a-z]*: .*')"
ktap_match 'each of the workqueue, too' 'workqueue: 500 of 500 jobs ran*' "$(said 'workqueue: .*')"
for kind in urgent usual workqueue; do
	ktap_diag "$kind: half of the jobs waited at most $(waited $kind 50) ns, 99 % of them $(waited $kind 99) ns"
done
ktap_ok_if 'what is urgent waits a tenth of what it would in a workqueue' \
	[ "$(($(waited urgent 99) * 10))" -lt "$(waited workqueue 99)" ]
ktap_ok_if 'it is unloaded' rmmod rust_job_queue
said '[a-z]* [0-9]* % [0-9]* ns' | sed 's/ % / /; s/ ns//' >/out/waits
ktap_finished
