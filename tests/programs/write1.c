// SPDX-License-Identifier: GPL-2.0
/*
 * write1 FILE [TEXT]: writes TEXT, or all of stdin, to FILE in exactly one write(2)
 * and prints the name of its errno, OK, or SHORT if the write was short. An errno
 * from open(2) is printed as open:NAME.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char buf[1 << 20];

static int say(const char *prefix, int err)
{
	const char *name = strerrorname_np(err);

	if (name)
		printf("%s%s\n", prefix, name);
	else
		printf("%s%d\n", prefix, err);
	return 0;
}

int main(int argc, char **argv)
{
	const char *text = buf;
	size_t len = 0;
	ssize_t n;
	int fd;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: write1 FILE [TEXT]\n");
		return 2;
	}
	if (argc == 3) {
		text = argv[2];
		len = strlen(text);
	} else {
		while ((n = read(0, buf + len, sizeof(buf) - len)) > 0)
			len += n;
		if (n < 0) {
			perror("write1: stdin");
			return 2;
		}
	}
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		return say("open:", errno);
	n = write(fd, text, len);
	if (n < 0)
		return say("", errno);
	puts((size_t)n == len ? "OK" : "SHORT");
	return 0;
}
