// SPDX-License-Identifier: GPL-2.0
/*
 * lose_bandwidth sleeping|dead: lets one task have SCHED_DEADLINE and lose it again, and looks how many
 * others can have it before and after. Exits with 0 if it is as many, with 1 if it stays fewer.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS 1000000ULL
#define MOST 64

/* struct sched_attr of linux/sched/types.h, which not every libc can be used with. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int deadline(pid_t pid, uint64_t runtime)
{
	struct attr attr = {
		.size = sizeof(attr), .policy = 6 /* SCHED_DEADLINE */,
		.runtime = runtime, .deadline = 10 * MS, .period = 10 * MS,
	};

	return syscall(SYS_sched_setattr, pid, &attr, 0);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	/* Until it sleeps. */
	usleep(20000);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* How many tasks can have a tenth of a CPU each at the same time. */
static int room(void)
{
	pid_t pids[MOST];
	int n, err = 0;

	for (n = 0; n < MOST && !err; n++) {
		pids[n] = sleeper();
		err = deadline(pids[n], MS);
	}
	for (int i = 0; i < n; i++)
		end(pids[i]);
	/* Until the last of them has given back what it had. */
	usleep(100000);
	return err ? n - 1 : n;
}

static int lose_sleeping(void)
{
	struct sched_param param = { 0 };
	pid_t pid = sleeper();
	int err = deadline(pid, 4 * MS) || sched_setscheduler(pid, SCHED_OTHER, &param);

	end(pid);
	return err;
}

static int lose_dead(void)
{
	siginfo_t info;
	pid_t pid = fork();
	int err;

	if (!pid)
		_exit(0);
	/* It stays a zombie. */
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	usleep(20000);
	err = deadline(pid, 4 * MS);
	waitpid(pid, NULL, 0);
	/* To be refused is what is right. */
	return err && errno != ESRCH;
}

int main(int argc, char **argv)
{
	int before, after;

	if (argc != 2)
		return 2;
	before = room();
	if (strcmp(argv[1], "dead") ? lose_sleeping() : lose_dead()) {
		perror("sched_setattr");
		return 2;
	}
	for (int i = 0; i < 5; i++) {
		after = room();
		if (after == before)
			break;
	}
	printf("%s: room for %d before, for %d after\n", argv[1], before, after);
	return after != before;
}
