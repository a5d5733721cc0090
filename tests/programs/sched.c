// SPDX-License-Identifier: GPL-2.0
/*
 * sched PID CPUS NICE PRIORITY [PROGRAM [ARG]...]: restricts a process (0: itself)
 * to the CPUs of a bit mask (0: no change), and sets its nice value and a SCHED_FIFO
 * priority (0: SCHED_OTHER). Then executes PROGRAM.
 *
 * PRIORITY may as well be rr:N, batch, idle or deadline.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr of linux/sched/types.h, which conflicts with some libcs. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static struct attr attr_of(const char *text, int nice)
{
	struct attr attr = { .size = sizeof(attr), .nice = nice };

	if (!strncmp(text, "rr:", 3)) {
		attr.policy = SCHED_RR;
		attr.priority = atoi(text + 3);
	} else if (!strcmp(text, "batch")) {
		attr.policy = SCHED_BATCH;
	} else if (!strcmp(text, "idle")) {
		attr.policy = SCHED_IDLE;
	} else if (!strcmp(text, "deadline")) {
		attr.policy = 6; /* SCHED_DEADLINE */
		attr.runtime = 1000000;
		attr.deadline = attr.period = 100000000;
	} else {
		attr.priority = atoi(text);
		attr.policy = attr.priority ? SCHED_FIFO : SCHED_OTHER;
	}
	return attr;
}

int main(int argc, char **argv)
{
	struct attr attr;
	unsigned long mask;
	cpu_set_t cpus;
	pid_t pid;

	if (argc < 5) {
		fprintf(stderr, "usage: sched PID CPUS NICE PRIORITY [PROGRAM [ARG]...]\n");
		return 2;
	}
	pid = atoi(argv[1]);
	mask = strtoul(argv[2], NULL, 0);
	CPU_ZERO(&cpus);
	for (int cpu = 0; mask >> cpu; cpu++)
		if (mask >> cpu & 1)
			CPU_SET(cpu, &cpus);
	attr = attr_of(argv[4], atoi(argv[3]));

	if ((mask && sched_setaffinity(pid, sizeof(cpus), &cpus)) ||
	    setpriority(PRIO_PROCESS, pid, atoi(argv[3])) ||
	    syscall(SYS_sched_setattr, pid, &attr, 0)) {
		perror("sched");
		return 1;
	}
	if (argc == 5)
		return 0;
	execvp(argv[5], argv + 5);
	perror(argv[5]);
	return 127;
}
