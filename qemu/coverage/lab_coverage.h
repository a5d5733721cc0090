/* SPDX-License-Identifier: GPL-2.0 */
/* What compilers have code call; <linux/kcov.h> declares it for kernels that have KCOV. */
void __sanitizer_cov_trace_pc(void);
