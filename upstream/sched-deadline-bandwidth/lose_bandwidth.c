// SPDX-License-Identifier: GPL-2.0
/*
 * lose_bandwidth sleeping|dead: gives SCHED_DEADLINE to a task and takes it back, and counts how many
 * others are accepted before and after. Exits with 0 if the numbers are equal, with 1 if the second
 * one stays smaller.
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

/* struct sched_attr of linux/sched/types.h, which conflicts with some libcs. */
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
	/* Wait until it sleeps. */
	usleep(20000);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Returns how many tasks with a tenth of a CPU each are accepted. */
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
	/* Wait until the last of them has released its bandwidth. */
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
	/* A refusal is correct. */
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
