// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: what is written to its parameter makes another CPU deaf to interrupts for some seconds. */

#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/smp.h>

static atomic_t deaf;

/* Run by an interrupt, with all others off. */
static noinline void broken_deaf_loop(void *data)
{
	ktime_t end = ktime_add_ms(ktime_get(), 4000);

	atomic_set(&deaf, 1);
	while (ktime_before(ktime_get(), end))
		cpu_relax();
	atomic_set(&deaf, 0);
}

static int broken_set(const char *value, const struct kernel_param *param)
{
	int err;

	preempt_disable();
	err = smp_call_function_single(!smp_processor_id(), broken_deaf_loop, NULL, 0);
	preempt_enable();
	while (!err && !atomic_read(&deaf))
		cpu_relax();
	return err;
}

static const struct kernel_param_ops broken_ops = { .set = broken_set };
module_param_cb(deaf, &broken_ops, NULL, 0200);

static int __init broken_init(void)
{
	return 0;
}

static void __exit broken_exit(void)
{
	while (atomic_read(&deaf))
		cpu_relax();
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
