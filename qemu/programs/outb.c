// SPDX-License-Identifier: GPL-2.0
/* usage: outb PORT VALUE - writes a byte to an I/O port, for a kernel that has no /dev/port. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

int main(int argc, char **argv)
{
	unsigned long port, value;

	if (argc != 3) {
		fputs("usage: outb PORT VALUE\n", stderr);
		return 2;
	}
	port = strtoul(argv[1], NULL, 0);
	value = strtoul(argv[2], NULL, 0);
	if (ioperm(port, 1, 1)) {
		perror("outb");
		return 1;
	}
	outb(value, port);
	return 0;
}
