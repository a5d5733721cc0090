// SPDX-License-Identifier: GPL-2.0
/*
 * A task leaves SCHED_DEADLINE with its runtime used up, and comes back after its deadline. Exits with 1
 * if the task then never runs again, with 0 if it runs each time.
 */

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 12
#define US 1000ULL
#define MS (1000 * US)
#define RUNTIME (2 * MS)
#define PERIOD (100 * MS)

/* struct sched_attr of linux/sched/types.h, which conflicts with some libcs. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static int deadline(void)
{
	struct attr attr = {
		.size = sizeof(attr), .policy = 6 /* SCHED_DEADLINE */,
		.runtime = RUNTIME, .deadline = PERIOD, .period = PERIOD,
	};

	return syscall(SYS_sched_setattr, 0, &attr, 0);
}

static int other(pid_t pid)
{
	struct sched_param param = { 0 };

	return sched_setscheduler(pid, SCHED_OTHER, &param);
}

/* Each round ends as SCHED_OTHER, after the old parameters are cleared. */
static int child(atomic_int *rounds)
{
	while (*rounds < ROUNDS) {
		uint64_t begin;

		if (deadline())
			return 2;
		begin = now();
		/* Run for longer than the runtime, which is not noticed before the next tick. */
		while (now() - begin < 3 * RUNTIME)
			;
		/* Now it is noticed, and a timer is set for the deadline. */
		if (other(0))
			return 2;
		/* After the deadline, but before the 0-lag time. */
		usleep(PERIOD * 3 / 2 / US);
		if (deadline() || other(0))
			return 2;
		usleep(PERIOD * 5 / US);
		(*rounds)++;
	}
	return 0;
}

int main(void)
{
	atomic_int *rounds = mmap(NULL, sizeof(*rounds), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int before = -1, status;
	pid_t pid = fork();

	if (!pid)
		_exit(child(rounds));
	while (!waitpid(pid, &status, WNOHANG)) {
		if (before == *rounds) {
			printf("stuck in round %d\n", before);
			/* This makes it run again. */
			other(pid);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return 1;
		}
		before = *rounds;
		/* A round takes at most a second. */
		sleep(5);
	}
	printf("%d rounds, status %d\n", *rounds, WEXITSTATUS(status));
	return status ? 2 : 0;
}
