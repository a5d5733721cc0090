// SPDX-License-Identifier: GPL-2.0
/*
 * sched PID CPUS NICE PRIORITY [PROGRAM [ARG]...]: lets a process (0: itself)
 * run on the CPUs of a bit mask only (0: as before), with a nice value, and under
 * SCHED_FIFO with a priority (0: under SCHED_OTHER). Then becomes PROGRAM.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sched_param param = {};
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
	param.sched_priority = atoi(argv[4]);

	if ((mask && sched_setaffinity(pid, sizeof(cpus), &cpus)) ||
	    setpriority(PRIO_PROCESS, pid, atoi(argv[3])) ||
	    sched_setscheduler(pid, param.sched_priority ? SCHED_FIFO : SCHED_OTHER, &param)) {
		perror("sched");
		return 1;
	}
	if (argc == 5)
		return 0;
	execvp(argv[5], argv + 5);
	perror(argv[5]);
	return 127;
}
