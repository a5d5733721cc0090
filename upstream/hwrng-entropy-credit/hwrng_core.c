// SPDX-License-Identifier: GPL-2.0

#include "drivers/char/hw_random/core.c"
