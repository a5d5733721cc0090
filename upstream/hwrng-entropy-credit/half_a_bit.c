// SPDX-License-Identifier: GPL-2.0
/* A source with half a bit of entropy per read: 64 bytes of quality 1. */

#include <linux/hw_random.h>
#include <linux/module.h>

static int half_a_bit_read(struct hwrng *rng, void *data, size_t max, bool wait)
{
	memset(data, 0, min(max, 64));
	return min(max, 64);
}

static struct hwrng half_a_bit = {
	.name = "half_a_bit",
	.read = half_a_bit_read,
	.quality = 1,
};

static int __init half_a_bit_init(void)
{
	return hwrng_register(&half_a_bit);
}

static void __exit half_a_bit_exit(void)
{
	hwrng_unregister(&half_a_bit);
}

module_init(half_a_bit_init);
module_exit(half_a_bit_exit);
MODULE_DESCRIPTION("A source of bytes with next to no entropy");
MODULE_LICENSE("GPL");
