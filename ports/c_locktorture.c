// SPDX-License-Identifier: GPL-2.0

#include "kernel/locking/locktorture.c"

/* Kernels with torture tests have this. Only bind_readers and bind_writers use it. */
long torture_sched_setaffinity(pid_t pid, const struct cpumask *in_mask, bool dowarn)
{
	return -EOPNOTSUPP;
}
