// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it calls itself until its stack overflows, twice as deep as there is room. */

#include <linux/compiler.h>
#include <linux/module.h>
#include <linux/thread_info.h>

#define BROKEN_FRAME 512

/*
 * Small enough a frame to hit the guard page and not what is below it, large
 * enough for a trace that can be read.
 */
static noinline void broken_descend(int depth)
{
	char frame[BROKEN_FRAME];

	barrier_data(frame);
	if (depth)
		broken_descend(depth - 1);
	/* With nothing left to do here the compiler would make it a loop. */
	barrier_data(frame);
}

static int __init broken_init(void)
{
	broken_descend(2 * THREAD_SIZE / BROKEN_FRAME);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
