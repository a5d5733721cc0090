// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: two threads add to a number, and neither knows of the other. */

#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>

static int number;

static noinline void broken_add(void)
{
	number++;
	barrier();
}

static int broken_thread(void *data)
{
	while (!kthread_should_stop()) {
		broken_add();
		cond_resched();
	}
	return 0;
}

static int __init broken_init(void)
{
	unsigned long end = jiffies + 3 * HZ;
	struct task_struct *thread;

	thread = kthread_run(broken_thread, NULL, "broken_kcsan");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	while (time_before(jiffies, end)) {
		broken_add();
		cond_resched();
	}
	kthread_stop(thread);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
