/* SPDX-License-Identifier: GPL-2.0 */
/* Called by instrumented code; <linux/kcov.h> declares it on kernels with KCOV. */
void __sanitizer_cov_trace_pc(void);
