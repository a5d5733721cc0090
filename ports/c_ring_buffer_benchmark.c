// SPDX-License-Identifier: GPL-2.0

#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>

/* It writes and pauses for ten seconds each, which is too long for a test. */
#undef NSEC_PER_SEC
#define NSEC_PER_SEC		100000000L
#define schedule_timeout(timeout) schedule_timeout((timeout) / 10)

#include "kernel/trace/ring_buffer_benchmark.c"
