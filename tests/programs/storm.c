// SPDX-License-Identifier: GPL-2.0
/*
 * storm MODULE_FILE WRITERS ROUNDS COMMANDS: loads rust_kthread_demo and starts
 * WRITERS processes that each give COMMANDS random commands, while another process
 * tries to unload the module all the time, and loads it again after a success. Prints
 * the results, and exits with 1 if a command returns an undocumented errno, or if the
 * totals do not add up.
 *
 * In every other round the module may be unloaded whenever no file is open. In the
 * others an open file keeps it, so that the totals can be compared with the results of
 * the writers. At the end it is loaded.
 */

#include "demo.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define PARAMETERS "workers=4 max_workers=24"

enum verb { CREATE, RUN, START, WAKE, PARK, UNPARK, STOP, STOP_ALL, NOISE, VERBS };

/* The documented errnos of each command. */
static const struct {
	const char *name;
	int errnos[6];
} verbs[VERBS] = {
	[CREATE] = { "create", { 0, EEXIST, ENOSPC, ENODEV, EINVAL, ENAMETOOLONG } },
	[RUN] = { "run", { 0, EEXIST, ENOSPC, ENODEV, EINVAL, ENAMETOOLONG } },
	[START] = { "start", { 0, ENOENT, EBUSY } },
	[WAKE] = { "wake", { 0, ENOENT, EBUSY, EINVAL } },
	[PARK] = { "park", { 0, ENOENT, EBUSY } },
	[UNPARK] = { "unpark", { 0, ENOENT, EBUSY } },
	[STOP] = { "stop", { 0, ENOENT } },
	[STOP_ALL] = { "stop-all", { 0 } },
	[NOISE] = { "noise", { EINVAL, E2BIG } },
};

static struct {
	atomic_ulong got[VERBS][200];
	atomic_ulong not_open[200];
	atomic_ulong taken, rejected;
	atomic_ulong unloaded, refused;
	atomic_bool over;
	atomic_ulong bad;
} *shared;

static const char *module_file;

static void __printf(1, 2) complain(const char *format, ...)
{
	va_list args;

	/* A few are enough. */
	if (++shared->bad > 10)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static void load(void)
{
	int fd = open(module_file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, PARAMETERS, 0))
		complain("loading gives %s", errno_name(errno));
	close(fd);
}

/* Unloads and loads until the others are done. */
static void unload_and_load(void)
{
	while (!shared->over) {
		if (!syscall(SYS_delete_module, MODULE, O_NONBLOCK)) {
			shared->unloaded++;
			load();
			/* Load with workers, for the storm to work on. */
			pause_us(below(40000));
		} else if (errno == EAGAIN) {
			shared->refused++;
		} else {
			complain("unloading gives %s", errno_name(errno));
		}
		pause_us(200);
	}
}

static size_t command(char *text, enum verb verb)
{
	static const char * const options[] = {
		"", "", "", " nice=5", " kind=periodic", " kind=periodic period_us=5000", " cpu=0",
		" cpu=1000", " node=0", " policy=fifo_low", " kind=periodic period_us=3600000000",
		" nice=20", " period_us=1"
	};
	size_t len;

	if (verb == STOP_ALL)
		return sprintf(text, "stop-all");
	if (verb == NOISE) {
		len = below(300);
		for (size_t i = 0; i < len; i++)
			text[i] = random_u64();
		return len;
	}
	/* A few more names than workers, so that writers collide. */
	len = sprintf(text, "%s n%u", verbs[verb].name, below(30));
	if (verb == CREATE || verb == RUN)
		len += sprintf(text + len, "%s%s", below(50) ? "" : "longer_than_15_bytes", one_of(options));
	return len;
}

static void write_commands(unsigned int count)
{
	char text[400];
	unsigned int missed = 0;

	for (unsigned int tries = 0; count && tries < 5000; tries++) {
		enum verb verb = below(200) ? below(VERBS) : STOP_ALL;
		int fd, err = 0;
		size_t len;

		if (verb == STOP_ALL && below(50))
			verb = RUN;
		len = command(text, verb);
		/* Reopen it each time, so that it is sometimes closed by all. */
		fd = open(DEMO "/control", O_WRONLY);
		if (fd < 0) {
			shared->not_open[errno < 200 ? errno : 0]++;
			/* Leave the CPU to the load, which is long on a slow kernel. */
			if (missed < 100)
				missed++;
			pause_us(missed * 5000);
			continue;
		}
		missed = 0;
		count--;
		if (write(fd, text, len) < 0)
			err = errno;
		close(fd);

		shared->got[verb][err < 200 ? err : 199]++;
		if (err)
			shared->rejected++;
		else
			shared->taken++;
	}
}

static void read_totals(int fd, uint64_t totals[TOTALS])
{
	char text[1024];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len < 0)
		die("stats could not be read: %s", errno_name(errno));
	text[len] = 0;
	if (!parse_totals(text, totals))
		die("stats is not in its form:\n%s", text);
}

/* Opens stats as soon as the module is loaded. */
static int hold(void)
{
	for (int tries = 0; tries < 50000; tries++) {
		int fd = open(DEMO "/stats", O_RDONLY);

		if (fd >= 0)
			return fd;
		if (errno != ENOENT && errno != ENXIO)
			break;
		pause_us(200);
	}
	die("stats could not be opened: %s", errno_name(errno));
}

static void check_totals(const uint64_t t[TOTALS])
{
	if (t[CREATED] != t[STOPPED] + t[WORKERS])
		complain("%lu created, but %lu stopped and %lu there", t[CREATED], t[STOPPED], t[WORKERS]);
	if (t[STARTED] > t[CREATED])
		complain("%lu started, but %lu created", t[STARTED], t[CREATED]);
	if (t[WORKERS_PEAK] > 24)
		complain("%lu workers at a time", t[WORKERS_PEAK]);
	if (t[CREATE_FAILED])
		complain("%lu could not be made", t[CREATE_FAILED]);
}

static void storm(unsigned int writers, unsigned int commands, bool held)
{
	uint64_t before[TOTALS], after[TOTALS];
	int fd = held ? hold() : -1;

	shared->taken = 0;
	shared->rejected = 0;
	if (held)
		read_totals(fd, before);
	for (unsigned int i = 0; i < writers; i++) {
		random_u64();
		switch (fork()) {
		case -1:
			die("fork: %s", errno_name(errno));
		case 0:
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			random_state += i * 1000003;
			write_commands(commands);
			_exit(0);
		}
	}
	/* All except the one that unloads. */
	for (unsigned int i = 0; i < writers; i++)
		wait(NULL);
	if (!held)
		return;
	read_totals(fd, after);
	check_totals(after);
	if (after[COMMANDS] - before[COMMANDS] != shared->taken ||
	    after[COMMANDS_REJECTED] - before[COMMANDS_REJECTED] != shared->rejected)
		complain("%lu commands and %lu rejected, but the writers got %lu and %lu",
			 after[COMMANDS] - before[COMMANDS],
			 after[COMMANDS_REJECTED] - before[COMMANDS_REJECTED],
			 shared->taken, shared->rejected);
	close(fd);
}

static bool is_documented(enum verb verb, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs[verb].errnos); i++)
		/* Later zeros are padding. */
		if (verbs[verb].errnos[i] == err && (err || !i))
			return true;
	return false;
}

static void report(void)
{
	for (enum verb verb = 0; verb < VERBS; verb++) {
		printf("%s:", verbs[verb].name);
		for (int err = 0; err < 200; err++) {
			if (!shared->got[verb][err])
				continue;
			printf(" %s %lu", errno_name(err), shared->got[verb][err]);
			if (!is_documented(verb, err)) {
				printf(" (not documented)");
				shared->bad++;
			}
		}
		putchar('\n');
	}
	printf("not open:");
	for (int err = 0; err < 200; err++) {
		if (!shared->not_open[err])
			continue;
		printf(" %s %lu", errno_name(err), shared->not_open[err]);
		/* Missing, or of a module that is unloaded. */
		if (err != ENOENT && err != ENXIO) {
			printf(" (not documented)");
			shared->bad++;
		}
	}
	printf("\nunloaded %lu\nrefused %lu\n", shared->unloaded, shared->refused);
}

int main(int argc, char **argv)
{
	unsigned int writers, rounds, commands;
	pid_t unloader;

	if (argc != 5)
		die("usage: storm MODULE_FILE WRITERS ROUNDS COMMANDS");
	module_file = argv[1];
	writers = atoi(argv[2]);
	rounds = atoi(argv[3]);
	commands = atoi(argv[4]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory: %s", errno_name(errno));

	load();
	fflush(stdout);
	unloader = fork();
	if (!unloader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unload_and_load();
		_exit(0);
	}
	for (unsigned int i = 0; i < rounds; i++) {
		storm(writers, commands, i % 2);
		/* No file is open, so the unload must succeed. */
		for (unsigned long n = shared->unloaded, tries = 0; i % 2 == 0 && n == shared->unloaded; tries++) {
			if (tries == 50000) {
				complain("it does not unload although no file is open");
				break;
			}
			pause_us(200);
		}
	}
	shared->over = true;
	waitpid(unloader, NULL, 0);
	report();
	return shared->bad != 0;
}
