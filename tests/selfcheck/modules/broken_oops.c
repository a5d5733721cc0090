// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it follows a null pointer at load. */

#include <linux/module.h>

static int *nowhere;

static int __init broken_init(void)
{
	return READ_ONCE(*nowhere);
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
