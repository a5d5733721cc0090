// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it restores interrupts that were enabled in the meantime. */

#include <linux/irqflags.h>
#include <linux/module.h>

static int __init broken_init(void)
{
	unsigned long flags;

	local_irq_save(flags);
	local_irq_enable();
	local_irq_restore(flags);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
