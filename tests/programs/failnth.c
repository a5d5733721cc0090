// SPDX-License-Identifier: GPL-2.0
/*
 * failnth TASK OPERATION [UNDO]...: repeats an operation on rust_kthread_demo, and
 * each time fails the first, second, ... allocation that TASK (a PID, or self)
 * makes during it, until no allocation is left to fail. Prints the name of the
 * errno, or OK, for each failed allocation.
 *
 * An operation is `load PARAMETERS`, `unload`, or a command for control. If it
 * fails, it must have changed nothing; if it succeeds, the operations UNDO follow.
 * The last time, without a failed allocation, it must succeed. Exits with 1 if any
 * of this does not hold, and with 2 on errors of the program itself.
 *
 * /sys/kernel/debug/failslab and fail_page_alloc select the allocations.
 */

#include "demo.h"
#include <dirent.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define LOAD "load "
#define UNLOAD "unload"

static int fail_nth;
static char module_file[PATH_MAX];

/* State that a failed operation must not change. */
struct state {
	uint64_t totals[TOTALS];
	bool loaded;
	char workers[8192];
};

static void get_state(struct state *state)
{
	char text[4096], path[PATH_MAX];
	struct dirent *entry;
	size_t len = 0;
	DIR *dir;

	memset(state, 0, sizeof(*state));
	state->loaded = !access("/sys/module/" MODULE, F_OK);
	dir = opendir(DEMO "/workers");
	if (!dir) {
		if (state->loaded)
			die("the module is loaded, but has no workers");
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), DEMO "/workers/%s/stats", entry->d_name);
		if (read_text(AT_FDCWD, path, text, sizeof(text)) < 0)
			die("%s could not be read", path);
		len += snprintf(state->workers + len, sizeof(state->workers) - len, "%s\n%s",
				entry->d_name, text);
		if (len >= sizeof(state->workers))
			die("too many workers");
	}
	closedir(dir);
	if (read_text(AT_FDCWD, DEMO "/stats", text, sizeof(text)) < 0 ||
	    !parse_totals(text, state->totals))
		die("the totals could not be read");
}

/* Selects the allocation that fails: 1 is the first, 0 is none. */
static void set_fail_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fail_nth, text, len, 0) != len)
		die("fail-nth could not be written: %s", errno_name(errno));
}

/* Returns the value of set_fail_nth() minus the allocations since. */
static unsigned int get_fail_nth(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		die("fail-nth could not be read: %s", errno_name(errno));
	return strtoul(text, NULL, 10);
}

/*
 * Performs an operation in one system call whose nth allocation fails. Returns an
 * errno, and sets left to 0 if one has failed.
 */
static int perform(const char *operation, unsigned int nth, unsigned int *left)
{
	const char *parameters = NULL;
	int fd = -1;
	int err;

	if (!strncmp(operation, LOAD, strlen(LOAD))) {
		parameters = operation + strlen(LOAD);
		fd = open(module_file, O_RDONLY | O_CLOEXEC);
	} else if (strcmp(operation, UNLOAD)) {
		fd = open(DEMO "/control", O_WRONLY);
	}
	if (fd < 0 && strcmp(operation, UNLOAD))
		die("%s: no file to do that: %s", operation, errno_name(errno));

	set_fail_nth(nth);
	if (parameters)
		err = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
	else if (fd < 0)
		err = syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? errno : 0;
	else
		err = write(fd, operation, strlen(operation)) < 0 ? errno : 0;
	*left = get_fail_nth();
	set_fail_nth(0);

	if (fd >= 0)
		close(fd);
	return err;
}

/* Returns whether these states fit before and after a failed operation. */
static bool is_refused(const char *operation, int err, const struct state *before,
		       const struct state *after)
{
	uint64_t expected[TOTALS];

	memcpy(expected, before->totals, sizeof(expected));
	if (strncmp(operation, LOAD, strlen(LOAD)) && strcmp(operation, UNLOAD))
		expected[COMMANDS_REJECTED]++;
	if (!strncmp(operation, "create ", 7) || !strncmp(operation, "run ", 4))
		expected[CREATE_FAILED]++;

	for (int i = 0; i < TOTALS; i++) {
		if (expected[i] != after->totals[i]) {
			printf("%s gives %s: %s is %lu, not %lu\n", operation, errno_name(err),
			       total_names[i], (unsigned long)after->totals[i], (unsigned long)expected[i]);
			return false;
		}
	}
	if (before->loaded != after->loaded || strcmp(before->workers, after->workers)) {
		printf("%s gives %s: there was\n%s, there is\n%s\n", operation, errno_name(err),
		       before->workers, after->workers);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct state before, after;
	unsigned int left, unused;
	struct utsname kernel;
	char path[64];
	int err;

	if (argc < 3)
		die("usage: failnth TASK OPERATION [UNDO]...");
	uname(&kernel);
	snprintf(module_file, sizeof(module_file), "/lib/modules/%s/" MODULE ".ko", kernel.release);
	snprintf(path, sizeof(path), "/proc/%s/fail-nth", argv[1]);
	fail_nth = open(path, O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		die("%s: %s", path, errno_name(errno));

	for (unsigned int nth = 1; ; nth++) {
		get_state(&before);
		err = perform(argv[2], nth, &left);
		if (!left)
			puts(errno_name(err));

		if (err) {
			get_state(&after);
			if (left) {
				printf("%s gives %s though nothing fails\n", argv[2], errno_name(err));
				return 1;
			}
			if (!is_refused(argv[2], err, &before, &after))
				return 1;
			continue;
		}
		for (char **undo = argv + 3; *undo; undo++) {
			err = perform(*undo, 0, &unused);
			if (err) {
				printf("%s gives %s after %s\n", *undo, errno_name(err), argv[2]);
				return 1;
			}
		}
		if (left)
			return 0;
	}
}
