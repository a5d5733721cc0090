/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the two sides of the benchmark. */

#ifndef BENCH_H
#define BENCH_H

#include <linux/seq_file.h>
#include <linux/types.h>

/* The greatest number of values that one run returns. */
#define BENCH_VALUES 8

struct bench_op {
	const char *name;
	/* Runs @n times. Returns the number of values it has put into @ns, or -errno. */
	int (*run)(u32 n, u64 *ns);
};

/* One table for each side; each ends with an operation without a name. */
extern const struct bench_op bench_c_ops[];
extern const struct bench_op bench_rust_ops[];

/* The debugfs files of the C side, called by the module's init and exit, which are in Rust. */
void bench_init(void);
void bench_exit(void);

/* Returns the free memory in bytes. */
u64 bench_free_bytes(void);

/*
 * Waits until RCU has freed the memory left to it. Returns the nanoseconds that the freeing took,
 * without the waiting.
 */
u64 bench_free_deferred(void);

/* Starts threads that never sleep, which bench_unload() stops. Returns 0 or -errno. */
int bench_load(void);
void bench_unload(void);

/* Sorts @values, and puts the quantiles that guest.sh names into the BENCH_VALUES of @ns. */
void bench_quantiles(u64 *values, u32 n, u64 *ns);

/* The content of `stats_c`. */
int twin_stats_show(struct seq_file *seq, void *unused);

#endif
