// SPDX-License-Identifier: GPL-2.0

#include "lib/test_workqueue.c"
