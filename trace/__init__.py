# SPDX-License-Identifier: GPL-2.0
"""The life of a kernel thread, as the kernel traces it."""
