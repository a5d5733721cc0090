// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: an exception without handlers resets the machine at once. */

#include <linux/module.h>
#include <asm/desc.h>

static int __init broken_init(void)
{
	static const struct desc_ptr nothing;

	load_idt(&nothing);
	asm volatile("int3");
	return 0;
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
