// SPDX-License-Identifier: GPL-2.0
/*
 * badwrite FILE: writes to FILE from bad buffers: NULL, a kernel address, an
 * unreadable page, a buffer that is only readable at its beginning, and one of a
 * million bytes. Prints the names of the errnos.
 */

#include "demo.h"
#include <sys/mman.h>

int main(int argc, char **argv)
{
	long page = sysconf(_SC_PAGESIZE);
	char *map;
	int fd;

	if (argc != 2)
		die("usage: badwrite FILE");
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		die("%s: %s", argv[1], errno_name(errno));
	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + page, page, PROT_NONE))
		die("no memory: %s", errno_name(errno));
	memcpy(map + page - 4, "stop", 4);

	const struct {
		const void *from;
		size_t len;
	} writes[] = {
		{ NULL, 8 },
		{ (void *)0xffffffff81000000, 8 },
		{ map + page, 8 },
		{ map + page - 4, 8 },
		{ map + page - 4, 1000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		printf("%s%s", i ? " " : "",
		       errno_name(write(fd, writes[i].from, writes[i].len) < 0 ? errno : 0));
	putchar('\n');
	return 0;
}
