// SPDX-License-Identifier: GPL-2.0
/*
 * For a kernel with mutants in it, as a part of rust/helpers/: which one is active. With
 * kthread_mutant=-1 the kernel reports those that it reaches. See proofs/mutants.py.
 */

#include <linux/bitmap.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

static int kthread_mutant;
/* bindgen reads this as if for a module. */
#ifndef MODULE
core_param(kthread_mutant, kthread_mutant, int, 0);
#endif
static DECLARE_BITMAP(kthread_mutants_reached, 8192);

bool kthread_is_mutant(int number)
{
	if (unlikely(kthread_mutant == -1) && !test_and_set_bit(number, kthread_mutants_reached))
		pr_info("reached mutant %d\n", number);
	return kthread_mutant == number;
}
