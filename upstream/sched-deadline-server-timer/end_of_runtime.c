// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps ordinary tasks off CPU 1 until shortly before its deadline server would run them, and then
 * lets one run. The server's timer, which is postponed by the used runtime each time, fires when the
 * runtime has just been used up. Tries several such times.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER "/sys/kernel/debug/sched/fair_server/cpu1/"
#define US 1000ULL
#define MS (1000 * US)
#define RUNTIME (20 * MS)
#define PERIOD (100 * MS)

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static int set(const char *file, uint64_t value)
{
	char text[32];
	int fd = open(file, O_WRONLY);
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	int ok = fd >= 0 && write(fd, text, n) == n;

	close(fd);
	return ok ? 0 : -1;
}

static int pin(int cpu, int policy)
{
	struct sched_param param = { .sched_priority = policy == SCHED_FIFO };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) || sched_setscheduler(0, policy, &param);
}

int main(void)
{
	pid_t spins, rules;

	if (set(SERVER "runtime", 0) || set(SERVER "period", PERIOD)) {
		perror(SERVER);
		return 2;
	}
	spins = fork();
	if (!spins) {
		pin(1, SCHED_OTHER);
		for (;;)
			;
	}
	rules = fork();
	if (!rules) {
		if (pin(1, SCHED_FIFO))
			_exit(2);
		for (uint64_t before = 1 * MS; before < 11 * MS; before += 250 * US) {
			uint64_t begin;

			/* A new period begins. */
			if (set(SERVER "runtime", RUNTIME))
				_exit(2);
			begin = now();
			while (now() - begin < PERIOD - RUNTIME - before)
				;
			/* The other task runs for longer than the rest of the period. */
			usleep(4 * RUNTIME / US);
			set(SERVER "runtime", 0);
		}
		_exit(0);
	}
	int status;

	waitpid(rules, &status, 0);
	kill(spins, SIGKILL);
	waitpid(spins, NULL, 0);
	set(SERVER "period", 1000 * MS);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
