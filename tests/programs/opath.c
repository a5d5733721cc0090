// SPDX-License-Identifier: GPL-2.0
/*
 * opath PATH COMMAND: gets a reference to PATH with O_PATH, which does not open it,
 * runs a shell command, and opens the reference. Prints the name of the errno of the
 * open, or OK, and of a read.
 *
 * opath PATH -w FILE: gets the reference as soon as PATH exists, and waits until FILE
 * exists instead of running a command. Forks no process.
 *
 * Exits with 1 if the command fails, and with 2 on earlier errors.
 */

#include "demo.h"
#include <sched.h>
#include <time.h>

#define SECONDS 120

static time_t end;

static void wait_a_little(void)
{
	if (time(NULL) > end)
		die("it does not come");
	sched_yield();
}

int main(int argc, char **argv)
{
	bool wait = argc == 4 && !strcmp(argv[2], "-w");
	char path[64], text[4096];
	int fd, again, status = 0;

	if (argc != 3 && !wait)
		die("usage: opath PATH COMMAND | opath PATH -w FILE");
	end = time(NULL) + SECONDS;

	while ((fd = open(argv[1], O_PATH | O_CLOEXEC)) < 0) {
		if (!wait || errno != ENOENT)
			die("%s: %s", argv[1], errno_name(errno));
		wait_a_little();
	}
	if (!wait)
		status = system(argv[2]);
	else
		while (access(argv[3], F_OK))
			wait_a_little();

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	if (again < 0)
		puts(errno_name(errno));
	else
		printf("OK %s\n", errno_name(read(again, text, sizeof(text)) < 0 ? errno : 0));
	return status ? 1 : 0;
}
