// SPDX-License-Identifier: GPL-2.0
/*
 * opath PATH [COMMAND]: takes PATH with O_PATH as soon as it is there, which does not
 * open it, runs a shell command, and opens what it took. Prints the name of the errno
 * of that, or OK, and of a read from it.
 *
 * Ends with status 1 if the command fails, and 2 if PATH does not come.
 */

#include "demo.h"
#include <time.h>

#define SECONDS 60

int main(int argc, char **argv)
{
	time_t end = time(NULL) + SECONDS;
	char path[64], text[4096];
	int fd, again, status = 0;

	if (argc < 2 || argc > 3)
		die("usage: opath PATH [COMMAND]");
	while ((fd = open(argv[1], O_PATH | O_CLOEXEC)) < 0)
		if (errno != ENOENT || time(NULL) > end)
			die("%s: %s", argv[1], errno_name(errno));
	if (argc == 3)
		status = system(argv[2]);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	if (again < 0)
		puts(errno_name(errno));
	else
		printf("OK %s\n", errno_name(read(again, text, sizeof(text)) < 0 ? errno : 0));
	return status ? 1 : 0;
}
