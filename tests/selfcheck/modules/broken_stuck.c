// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: loading it sleeps for ever, and no signal ends that. */

#include <linux/completion.h>
#include <linux/module.h>

static DECLARE_COMPLETION(never);

static int __init broken_init(void)
{
	wait_for_completion(&never);
	return 0;
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
