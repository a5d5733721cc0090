// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it shifts a number by more bits than that has. */

#include <linux/compiler.h>
#include <linux/module.h>

static int bits = 40;

static int __init broken_init(void)
{
	return (1 << READ_ONCE(bits)) & 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
