// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: every CPU stops for ever, deaf to interrupts. */

#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/smp.h>

static void broken_stop(void *data)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static int __init broken_init(void)
{
	on_each_cpu(broken_stop, NULL, 1);
	return 0;
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
