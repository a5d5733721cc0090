// SPDX-License-Identifier: GPL-2.0
/*
 * write1 FILE: copies stdin to FILE in exactly one write(2) and prints the name
 * of its errno, OK, or SHORT if the write was short. An errno from open(2) is
 * printed as open:NAME.
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
	size_t len = 0;
	ssize_t n;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: write1 FILE <data\n");
		return 2;
	}
	while ((n = read(0, buf + len, sizeof(buf) - len)) > 0)
		len += n;
	if (n < 0) {
		perror("write1: stdin");
		return 2;
	}
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		return say("open:", errno);
	n = write(fd, buf, len);
	if (n < 0)
		return say("", errno);
	puts((size_t)n == len ? "OK" : "SHORT");
	return 0;
}
