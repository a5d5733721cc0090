// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it reads behind an array, from the same object. */

#include <linux/compiler.h>
#include <linux/module.h>

static struct {
	int inside[4];
	int behind[4];
} numbers;
static int place = 5;

static int __init broken_init(void)
{
	return numbers.inside[READ_ONCE(place)];
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
