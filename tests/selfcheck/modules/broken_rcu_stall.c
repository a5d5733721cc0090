// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it keeps a grace period from its end. */

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>

static DECLARE_COMPLETION(reading);

static int broken_reader(void *data)
{
	unsigned long end = jiffies + HZ / 2;

	rcu_read_lock();
	complete(&reading);
	while (time_before(jiffies, end))
		cpu_relax();
	rcu_read_unlock();
	return 0;
}

static int __init broken_init(void)
{
	struct task_struct *reader = kthread_create(broken_reader, NULL, "broken_reader");

	if (IS_ERR(reader))
		return PTR_ERR(reader);
	get_task_struct(reader);
	wake_up_process(reader);
	wait_for_completion(&reading);
	synchronize_rcu_expedited();
	kthread_stop_put(reader);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
