// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the operations of both sides. A script chooses which and how often.
 *
 * /sys/kernel/debug/kthread_bench/
 *	operations	read a line `SIDE OPERATION` for each
 *	run		write `SIDE OPERATION N`, then read the nanoseconds it took
 *	free_deferred	read the nanoseconds it took to free the memory left to RCU
 *	stats_c		a file of counters, written by C
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bench.h"

static const struct {
	const char *name;
	const struct bench_op *ops;
} sides[] = {
	{ "c", bench_c_ops },
	{ "rust", bench_rust_ops },
};

/* Allows one run at a time, and protects the results of the last one. */
static DEFINE_MUTEX(run_lock);
static u64 run_ns[BENCH_VALUES];
static int run_values;

static const struct bench_op *find_op(const char *side, const char *name)
{
	const struct bench_op *op;
	int i;

	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		if (strcmp(sides[i].name, side))
			continue;
		for (op = sides[i].ops; op->name; op++) {
			if (!strcmp(op->name, name))
				return op;
		}
	}
	return NULL;
}

static ssize_t run_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	char line[64], side[8], name[32];
	const struct bench_op *op;
	int ret;
	u32 n;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, count))
		return -EFAULT;
	line[count] = '\0';
	if (sscanf(line, "%7s %31s %u", side, name, &n) != 3 || !n)
		return -EINVAL;
	op = find_op(side, name);
	if (!op)
		return -ENOENT;

	mutex_lock(&run_lock);
	run_values = 0;
	ret = op->run(n, run_ns);
	if (ret > 0)
		run_values = ret;
	mutex_unlock(&run_lock);
	return ret < 0 ? ret : count;
}

static int run_show(struct seq_file *seq, void *unused)
{
	int i;

	mutex_lock(&run_lock);
	for (i = 0; i < run_values; i++)
		seq_printf(seq, i ? " %llu" : "%llu", run_ns[i]);
	seq_putc(seq, '\n');
	mutex_unlock(&run_lock);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(run);

static int operations_show(struct seq_file *seq, void *unused)
{
	const struct bench_op *op;
	int i;

	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		for (op = sides[i].ops; op->name; op++)
			seq_printf(seq, "%s %s\n", sides[i].name, op->name);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(operations);

DEFINE_SHOW_ATTRIBUTE(twin_stats);

u64 bench_free_bytes(void)
{
	struct sysinfo info;

	/* Memory that was just freed may still wait for RCU. */
	rcu_barrier();
	msleep(20);
	si_meminfo(&info);
	return (u64)info.freeram * info.mem_unit;
}

/*
 * The clock also advances while the CPU idles, so poll instead of sleeping: between two reads of the
 * clock either almost no time passes, or another task has run.
 */
static u64 spin_until(struct completion *done)
{
	u64 last = ktime_get_ns(), ran = 0;

	while (!completion_done(done)) {
		u64 now = ktime_get_ns();

		if (now - last > NSEC_PER_USEC)
			ran += now - last;
		last = now;
		cond_resched();
	}
	return ran;
}

u64 bench_free_deferred(void)
{
	int nice = task_nice(current);
	u64 ran = 0;
	int i;

	/* Let all other tasks go first. */
	set_user_nice(current, MAX_NICE);
	/* An exiting task leaves its memory to RCU, which leaves the stack to a workqueue. */
	for (i = 0; i < 2; i++) {
		struct rcu_synchronize rcu;

		init_rcu_head_on_stack(&rcu.head);
		init_completion(&rcu.completion);
		call_rcu_hurry(&rcu.head, wakeme_after_rcu);
		ran += spin_until(&rcu.completion);
		destroy_rcu_head_on_stack(&rcu.head);
	}
	set_user_nice(current, nice);
	return ran;
}

static struct task_struct *busy[4];

static int keep_busy(void *unused)
{
	while (!kthread_should_stop())
		cond_resched();
	return 0;
}

int bench_load(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(busy); i++) {
		busy[i] = kthread_run(keep_busy, NULL, "busy");
		if (IS_ERR(busy[i])) {
			ret = PTR_ERR(busy[i]);
			busy[i] = NULL;
			bench_unload();
			return ret;
		}
	}
	return 0;
}

void bench_unload(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(busy); i++) {
		if (busy[i])
			kthread_stop(busy[i]);
		busy[i] = NULL;
	}
}

static int compare(const void *one, const void *other)
{
	u64 a = *(const u64 *)one, b = *(const u64 *)other;

	return a < b ? -1 : a > b;
}

void bench_quantiles(u64 *values, u32 n, u64 *ns)
{
	static const u8 percent[BENCH_VALUES] = { 0, 10, 25, 50, 75, 90, 99, 100 };
	int i;

	sort(values, n, sizeof(*values), compare, NULL);
	for (i = 0; i < BENCH_VALUES; i++)
		ns[i] = values[(n - 1) * percent[i] / 100];
}

static int free_deferred_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%llu\n", bench_free_deferred());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(free_deferred);

static struct dentry *dir;

void bench_init(void)
{
	dir = debugfs_create_dir("kthread_bench", NULL);
	debugfs_create_file("operations", 0400, dir, NULL, &operations_fops);
	debugfs_create_file("run", 0600, dir, NULL, &run_fops);
	debugfs_create_file("free_deferred", 0400, dir, NULL, &free_deferred_fops);
	debugfs_create_file("stats_c", 0400, dir, NULL, &twin_stats_fops);
}

void bench_exit(void)
{
	debugfs_remove(dir);
}
