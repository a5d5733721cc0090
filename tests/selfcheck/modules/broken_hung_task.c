// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: its thread waits, deaf to signals, for as long as it is loaded. */

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>

static DECLARE_COMPLETION(unloading);
static struct task_struct *waiter;

static int broken_wait(void *data)
{
	wait_for_completion(&unloading);
	return 0;
}

static int __init broken_init(void)
{
	waiter = kthread_create(broken_wait, NULL, "broken_waiter");
	if (IS_ERR(waiter))
		return PTR_ERR(waiter);
	get_task_struct(waiter);
	wake_up_process(waiter);
	return 0;
}

static void __exit broken_exit(void)
{
	complete(&unloading);
	kthread_stop_put(waiter);
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
