// SPDX-License-Identifier: GPL-2.0
/*
 * The equivalents of kernel threads in user space, and the cost of reading a file.
 *
 *	cost list		prints the names of the operations
 *	cost OPERATION N	runs it N times, and prints the nanoseconds it took
 *	cost read FILE N	opens and reads a file N times
 *	cost workers N		creates N workers of rust_kthread_demo, and prints the
 *				nanoseconds that each step takes for all of them: create, start,
 *				wake, park, unpark, a read of stats (once), stop-all; then their
 *				memory in bytes. Needs kthread_bench to be loaded.
 *	cost unload N		prints the nanoseconds to remove the module while N workers run
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define STACK_SIZE (64 << 10)

static char *stack;

static void die(const char *what)
{
	fprintf(stderr, "cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void *return_it(void *data)
{
	return data;
}

static void with_pthread(int flags)
{
	pthread_t thread;
	void *value;

	(void)flags;
	errno = pthread_create(&thread, NULL, return_it, stack);
	if (errno)
		die("pthread_create");
	errno = pthread_join(thread, &value);
	if (errno || value != stack)
		die("pthread_join");
}

static void with_fork(int flags)
{
	pid_t pid = fork();

	(void)flags;
	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(0);
	if (waitpid(pid, NULL, 0) != pid)
		die("waitpid");
}

static int child(void *data)
{
	(void)data;
	/* Of this task only, even if it is a thread. */
	syscall(SYS_exit, 0);
	return 0;
}

static void with_clone(int flags)
{
	pid_t pid = clone(child, stack + STACK_SIZE, flags | SIGCHLD, NULL);

	if (pid < 0)
		die("clone");
	if (waitpid(pid, NULL, 0) != pid)
		die("waitpid");
}

/* A thread is not a child to wait for: the kernel clears its ID when it ends. */
static void with_thread(int flags)
{
	static pid_t tid;
	pid_t seen;

	__atomic_store_n(&tid, 1, __ATOMIC_SEQ_CST);
	if (clone(child, stack + STACK_SIZE, flags, NULL, NULL, NULL, &tid) < 0)
		die("clone");
	while ((seen = __atomic_load_n(&tid, __ATOMIC_SEQ_CST)))
		syscall(SYS_futex, &tid, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static const struct {
	const char *name;
	void (*run)(int flags);
	int flags;
} ops[] = {
	{ "pthread_create_join", with_pthread, 0 },
	{ "fork_wait", with_fork, 0 },
	{ "clone_none", with_clone, 0 },
	{ "clone_fs", with_clone, CLONE_FS },
	{ "clone_files", with_clone, CLONE_FILES },
	{ "clone_sysvsem", with_clone, CLONE_SYSVSEM },
	{ "clone_io", with_clone, CLONE_IO },
	{ "clone_vm", with_clone, CLONE_VM },
	{ "clone_vm_vfork", with_clone, CLONE_VM | CLONE_VFORK },
	{ "clone_vm_sighand", with_clone, CLONE_VM | CLONE_SIGHAND },
	{ "clone_all_but_thread", with_clone,
	  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM },
	{ "clone_thread", with_thread,
	  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD |
	  CLONE_CHILD_CLEARTID },
};

static void read_file(const char *path)
{
	char buffer[4096];
	ssize_t len;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(path);
	do {
		len = read(fd, buffer, sizeof(buffer));
	} while (len > 0);
	if (len < 0)
		die(path);
	close(fd);
}

#define DEMO "/sys/kernel/debug/rust_kthread_demo/"

static int control;

static void command(const char *words, const char *name, long n)
{
	char line[64];
	int len = sprintf(line, "%s%s", words, name);

	if (n >= 0)
		len = sprintf(line, "%s %s%ld", words, name, n);
	if (write(control, line, len) != len)
		die(line);
}

/* All other tasks have gone idle when this returns. */
static void let_run(void)
{
	if (setpriority(PRIO_PROCESS, 0, 19))
		die("setpriority");
	sched_yield();
	if (setpriority(PRIO_PROCESS, 0, 0))
		die("setpriority");
}

static long long all(const char *words, long n)
{
	long long since = now();
	long i;

	for (i = 0; i < n; i++)
		command(words, "b", i);
	let_run();
	return now() - since;
}

static long long free_bytes(void)
{
	struct sysinfo info;

	if (sysinfo(&info))
		die("sysinfo");
	return (long long)info.freeram * info.mem_unit;
}

/* The kthread_bench module measures how long RCU takes to free what is left to it. */
static long long until_freed(void)
{
	FILE *file = fopen("/sys/kernel/debug/kthread_bench/free_deferred", "r");
	long long ns;

	if (!file || fscanf(file, "%lld", &ns) != 1)
		die("free_deferred");
	fclose(file);
	return ns;
}

static void workers(long n)
{
	long long since, bytes;

	control = open(DEMO "control", O_WRONLY);
	if (control < 0)
		die(DEMO "control");
	bytes = free_bytes();
	printf("%lld ", all("create", n));
	printf("%lld ", all("start", n));
	bytes -= free_bytes();
	printf("%lld ", all("wake", n));
	printf("%lld ", all("park", n));
	printf("%lld ", all("unpark", n));
	since = now();
	read_file(DEMO "stats");
	printf("%lld ", now() - since);
	since = now();
	command("stop-all", "", -1);
	since = now() - since;
	printf("%lld %lld\n", since + until_freed(), bytes);
	close(control);
}

static void unload(long n)
{
	long long since;

	control = open(DEMO "control", O_WRONLY);
	if (control < 0)
		die(DEMO "control");
	all("run", n);
	close(control);
	since = now();
	if (syscall(SYS_delete_module, "rust_kthread_demo", O_NONBLOCK))
		die("delete_module");
	printf("%lld\n", now() - since);
}

static long repetitions(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 1 || n > INT_MAX) {
		fprintf(stderr, "cost: %s: not a number of times\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	long long since;
	size_t op;
	long n;

	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		die("mmap");

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (op = 0; op < ARRAY_SIZE(ops); op++)
			puts(ops[op].name);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "read")) {
		n = repetitions(argv[3]);
		since = now();
		while (n--)
			read_file(argv[2]);
		printf("%lld\n", now() - since);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "workers")) {
		workers(repetitions(argv[2]));
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "unload")) {
		unload(repetitions(argv[2]));
		return 0;
	}
	for (op = 0; argc == 3 && op < ARRAY_SIZE(ops); op++) {
		if (strcmp(ops[op].name, argv[1]))
			continue;
		n = repetitions(argv[2]);
		since = now();
		while (n--)
			ops[op].run(ops[op].flags);
		printf("%lld\n", now() - since);
		return 0;
	}
	fprintf(stderr, "usage: cost list | cost [workers|unload|OPERATION] N | cost read FILE N\n");
	return 2;
}
