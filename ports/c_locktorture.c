// SPDX-License-Identifier: GPL-2.0

#include "kernel/locking/locktorture.c"

/* The kernel has this where it has torture tests. It is for bind_readers and bind_writers alone. */
long torture_sched_setaffinity(pid_t pid, const struct cpumask *in_mask, bool dowarn)
{
	return -EOPNOTSUPP;
}
