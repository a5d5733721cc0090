/* SPDX-License-Identifier: GPL-2.0 */
/* What the two sides of the benchmark share. */

#ifndef BENCH_H
#define BENCH_H

#include <linux/seq_file.h>
#include <linux/types.h>

/* At most so many values come of one run. */
#define BENCH_VALUES 8

struct bench_op {
	const char *name;
	/* Does it @n times. Returns how many values it has put into @ns, or -errno. */
	int (*run)(u32 n, u64 *ns);
};

/* One table for each side, each ends with an operation without a name. */
extern const struct bench_op bench_c_ops[];
extern const struct bench_op bench_rust_ops[];

/* The files of C in debugfs, called by the module's init and exit, which are in Rust. */
void bench_init(void);
void bench_exit(void);

/* How much memory is free. */
u64 bench_free_bytes(void);

/*
 * Waits until RCU has freed what was left to it. Returns the nanoseconds which that took, without
 * those of waiting.
 */
u64 bench_free_deferred(void);

/* What `stats_c` shows. */
int twin_stats_show(struct seq_file *seq, void *unused);

#endif
