// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: its work keeps other work of the same CPU waiting for some seconds. */

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

static void broken_hog(struct work_struct *work)
{
	unsigned long end = jiffies + 3 * HZ;

	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
}

static void broken_next(struct work_struct *work)
{
}

static DECLARE_WORK(hog, broken_hog);
static DECLARE_WORK(next, broken_next);

static int __init broken_init(void)
{
	queue_work_on(0, system_percpu_wq, &hog);
	queue_work_on(0, system_percpu_wq, &next);
	flush_work(&hog);
	flush_work(&next);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
