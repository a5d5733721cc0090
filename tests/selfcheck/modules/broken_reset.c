// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it resets the machine at once, without a word. */

#include <linux/module.h>

#ifdef CONFIG_X86
#include <asm/desc.h>

/* An exception without handlers. */
static void broken_reset(void)
{
	static const struct desc_ptr nothing;

	load_idt(&nothing);
	asm volatile("int3");
}
#else
#include <linux/arm-smccc.h>
#include <uapi/linux/psci.h>

/* The firmware is asked to. */
static void broken_reset(void)
{
	struct arm_smccc_res res;

	arm_smccc_hvc(PSCI_0_2_FN_SYSTEM_RESET, 0, 0, 0, 0, 0, 0, 0, &res);
}
#endif

static int __init broken_init(void)
{
	broken_reset();
	return 0;
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
