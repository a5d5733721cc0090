// SPDX-License-Identifier: GPL-2.0
/*
 * Opens a file that was removed after its lookup. Exits with 0 if the file is gone; is killed if
 * the kernel reads freed memory.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	int found = open("/sys/kernel/debug/removed", O_PATH);
	char path[64];

	if (found < 0 || system("rmmod removed")) {
		perror("removed");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	if (open(path, O_RDONLY) >= 0)
		return 3;
	if (errno == ENOENT) {
		puts("open: it is not there");
		return 0;
	}
	perror("open");
	return 4;
}
