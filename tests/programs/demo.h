/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the programs that drive rust_kthread_demo. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "rust_kthread_demo"
#define DEMO "/sys/kernel/debug/" MODULE

#define __noreturn __attribute__((noreturn))
#define __printf(a, b) __attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The totals of the module, in the order of the file. */
enum total {
	WORKERS, WORKERS_PEAK, CREATED, CREATE_FAILED, STARTED, STOPPED,
	WAKES, RUNS, PARKS, UNPARKS, COMMANDS, COMMANDS_REJECTED, TOTALS
};

static const char * const total_names[TOTALS] = {
	"workers", "workers_peak", "created", "create_failed", "started", "stopped",
	"wakes", "runs", "parks", "unparks", "commands", "commands_rejected"
};

static inline const char *errno_name(int err)
{
	static char number[16];
	const char *name = err ? strerrorname_np(err) : "OK";

	if (name)
		return name;
	snprintf(number, sizeof(number), "%d", err);
	return number;
}

/* Ends the program after an error that is not under test. */
static inline void __noreturn __printf(1, 2) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(2);
}

/* A random number generator (splitmix64). */
static uint64_t random_state;

static inline uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Returns a number from 0 to n - 1. */
static inline unsigned int below(unsigned int n)
{
	return random_u64() % n;
}

#define one_of(array) ((array)[below(ARRAY_SIZE(array))])

/* Reads a whole file into text. Returns its length, or a negative errno. */
static inline int read_text(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	if (n < 0)
		n = -errno;
	close(fd);
	text[len] = 0;
	return n < 0 ? n : (int)len;
}

/* Parses the totals. Returns false if they are malformed. */
static inline bool parse_totals(const char *text, uint64_t totals[TOTALS])
{
	for (int i = 0; i < TOTALS; i++) {
		size_t len = strlen(total_names[i]);
		char *end;

		if (strncmp(text, total_names[i], len) || text[len] != ' ')
			return false;
		totals[i] = strtoull(text + len, &end, 10);
		if (*end != '\n')
			return false;
		text = end + 1;
	}
	return true;
}
