// SPDX-License-Identifier: GPL-2.0
/*
 * compare: creates a task in each possible way, and finds out what it shares with its
 * creator, the caller. Prints a line `WAY<tab>KEY<tab>VALUE` for each result.
 * rust_kthread_demo has to be loaded, without workers, as it provides the kernel thread.
 *
 * The task changes its own state: memory, an open file, its directory, a signal handler,
 * its nice value. The caller sees the changes of shared state.
 */

#include "demo.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define STACK_SIZE (64 << 10)
#define HIGH_FD 100
#define NICE 7
#define LIMIT_S 60

enum means { FORK, CLONE, PTHREAD, KTHREAD };

static const struct way {
	const char *label;
	const char *comm;
	enum means means;
	int flags;
} ways[] = {
	{ "fork()", "fork", FORK, 0 },
	{ "clone(CLONE_VM)", "vm", CLONE, CLONE_VM },
	{ "clone(CLONE_FS)", "fs", CLONE, CLONE_FS },
	{ "clone(CLONE_FILES)", "files", CLONE, CLONE_FILES },
	{ "clone(CLONE_VM|CLONE_SIGHAND)", "sighand", CLONE, CLONE_VM | CLONE_SIGHAND },
	{ "clone(CLONE_PARENT)", "parent", CLONE, CLONE_PARENT },
	{ "clone(CLONE_VM|CLONE_SIGHAND|CLONE_THREAD)", "thread", CLONE,
	  CLONE_VM | CLONE_SIGHAND | CLONE_THREAD },
	{ "pthread_create()", "pthread", PTHREAD, 0 },
	{ "a kernel thread", "kthread", KTHREAD, 0 },
};

/* Shared by all processes of this program. */
static struct shared {
	pid_t tid, tgid, ppid, caller, caller_ppid;
	int fd;
	pid_t made[ARRAY_SIZE(ways)];
	pid_t adopted[ARRAY_SIZE(ways)];
	int n_adopted, adopted_status;
	bool reaped_by_caller[ARRAY_SIZE(ways)];
} *shared;

static int ready[2], go[2];
static atomic_bool touched;
static char stack[STACK_SIZE] __attribute__((aligned(16)));

static void __printf(3, 4) cell(const struct way *way, const char *key, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s\t%s\t", way ? way->label : "the caller", key);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

static void own_or_shared(const struct way *way, const char *key, bool is_shared)
{
	cell(way, key, is_shared ? "shared" : "own");
}

static void handler(int sig)
{
	(void)sig;
}

/* Run by each task except the kernel thread: changes its state, and waits for its end. */
static int task(void *data)
{
	const struct way *way = data;
	struct sigaction action = { .sa_handler = handler };
	char c;

	shared->tid = gettid();
	shared->tgid = getpid();
	shared->ppid = getppid();
	prctl(PR_SET_NAME, way->comm);
	touched = true;
	shared->fd = fcntl(STDOUT_FILENO, F_DUPFD, HIGH_FD);
	c = shared->fd >= 0 && !chdir("/proc") && !sigaction(SIGUSR2, &action, NULL) &&
	    !setpriority(PRIO_PROCESS, 0, NICE) ? 'y' : 'n';
	return write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1;
}

static void *pthread_task(void *data)
{
	task(data);
	return NULL;
}

static void make(const struct way *way, pthread_t *thread)
{
	pid_t pid = 0;
	char c;

	switch (way->means) {
	case FORK:
		pid = fork();
		if (!pid)
			_exit(task((void *)way));
		break;
	case CLONE:
		pid = clone(task, stack + STACK_SIZE, way->flags | SIGCHLD, (void *)way);
		break;
	default:
		if (pthread_create(thread, NULL, pthread_task, (void *)way))
			pid = -1;
	}
	if (pid < 0)
		die("%s: %s", way->label, errno_name(errno));
	if (read(ready[0], &c, 1) != 1 || c != 'y')
		die("%s: it failed to change its own state", way->label);
}

/* Returns the state of a task, or 0 if it does not exist. */
static char state_of(pid_t pid)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

static void nap(time_t *end, const char *what)
{
	struct timespec pause = { .tv_nsec = 5000000 };

	if (!*end)
		*end = time(NULL) + LIMIT_S;
	if (time(NULL) > *end)
		die("waited too long until %s", what);
	nanosleep(&pause, NULL);
}

/* Waits for the end of a task, which another task may have to reap. */
static bool reap(pid_t pid, int *status)
{
	time_t end = 0;
	char state;

	if (waitpid(pid, status, __WALL) == pid)
		return true;
	if (errno != ECHILD)
		die("waitpid: %s", errno_name(errno));
	while ((state = state_of(pid)) && state != 'Z' && state != 'X')
		nap(&end, "a task is gone");
	return false;
}

/* How ps shows a task: its last column, after -T if only ps -T shows it. */
static void show_ps(const struct way *way, pid_t pid)
{
	static const char * const commands[] = { "ps -o pid,args", "ps -T -o pid,args" };
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		FILE *ps = popen(commands[i], "r");
		bool found = false;
		char args[200];
		int number;

		if (!ps)
			die("%s: %s", commands[i], errno_name(errno));
		while (fgets(line, sizeof(line), ps))
			if (sscanf(line, "%d %199[^\n]", &number, args) == 2 && number == pid) {
				found = true;
				args[strcspn(args, "\n")] = 0;
				cell(way, "ps", "%s%s", i ? "ps -T: " : "", args);
			}
		pclose(ps);
		if (found)
			return;
	}
	cell(way, "ps", "nothing");
}

static const char *parent_name(pid_t ppid)
{
	return ppid == shared->caller ? "the caller" :
	       ppid == shared->caller_ppid ? "the caller's parent" :
	       ppid == 2 ? "kthreadd" : "another";
}

static void show_identity(const struct way *way, pid_t tid, pid_t tgid, pid_t ppid)
{
	cell(way, "pid", "%d", tid);
	cell(way, "tgid", "%d", tgid);
	cell(way, "ppid", "%d", ppid);
	cell(way, "parent", "%s", parent_name(ppid));
}

static void compare_task(const struct way *way)
{
	struct sigaction action;
	pthread_t thread;
	char cwd[64] = "";
	int status;

	touched = false;
	if (chdir("/") || signal(SIGUSR2, SIG_DFL) == SIG_ERR)
		die("chdir, signal: %s", errno_name(errno));
	make(way, &thread);
	shared->made[way - ways] = shared->tid;

	show_identity(way, shared->tid, shared->tgid, shared->ppid);
	show_ps(way, shared->tid);
	own_or_shared(way, "memory", touched);
	own_or_shared(way, "files", fcntl(shared->fd, F_GETFD) >= 0);
	if (!getcwd(cwd, sizeof(cwd)) || sigaction(SIGUSR2, NULL, &action))
		die("getcwd, sigaction: %s", errno_name(errno));
	own_or_shared(way, "cwd", !strcmp(cwd, "/proc"));
	own_or_shared(way, "handlers", action.sa_handler == handler);
	if (getpriority(PRIO_PROCESS, shared->tid) != NICE)
		die("%s: it has not the nice value that it chose", way->label);
	own_or_shared(way, "nice", getpriority(PRIO_PROCESS, gettid()) == NICE);

	if (write(go[1], "", 1) != 1)
		die("%s: telling it to end failed", way->label);
	shared->reaped_by_caller[way - ways] = reap(shared->tid, &status);
	if (way->means == PTHREAD)
		pthread_join(thread, NULL);
	close(shared->fd);
	setpriority(PRIO_PROCESS, gettid(), 0);
}

static void give_command(const char *words)
{
	int fd = open(DEMO "/control", O_WRONLY);

	if (fd < 0 || write(fd, words, strlen(words)) != (ssize_t)strlen(words))
		die("'%s': %s", words, errno_name(errno));
	close(fd);
}

/* Returns a number from a file of lines `KEY VALUE`, or -1. */
static long number_in(const char *path, const char *key)
{
	char text[4096], word[64];
	const char *line = text;

	if (read_text(AT_FDCWD, path, text, sizeof(text)) < 0)
		die("%s could not be read", path);
	snprintf(word, sizeof(word), "%s ", key);
	while (line && strncmp(line, word, strlen(word))) {
		line = strchr(line, '\n');
		line += !!line;
	}
	return line ? atol(line + strlen(word)) : -1;
}

/* Returns the value of a key in /proc/PID/status. */
static void status_of(pid_t pid, const char *key, char *value, size_t size)
{
	char path[64], text[4096], word[64], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(word, sizeof(word), "\n%s:\t", key);
	if (read_text(AT_FDCWD, path, text, sizeof(text)) < 0)
		die("%s could not be read", path);
	at = strstr(text, word);
	snprintf(value, size, "%.*s", at ? (int)strcspn(at + strlen(word), "\n") : 0,
		 at ? at + strlen(word) : "");
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (!dir)
		die("%s: %s", path, errno_name(errno));
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

#define WORKER DEMO "/workers/kthread"

/* A kernel thread does not change its own state, so check it from outside. */
static void compare_kthread(const struct way *way)
{
	char path[64], text[128], cwd[128];
	time_t end = 0;
	long runs;
	pid_t pid;
	int status;

	if (chdir("/proc") || fcntl(STDOUT_FILENO, F_DUPFD, HIGH_FD) != HIGH_FD ||
	    signal(SIGUSR2, handler) == SIG_ERR)
		die("chdir, fcntl, signal: %s", errno_name(errno));
	give_command("run kthread");
	pid = number_in(WORKER "/identity", "pid");
	status_of(pid, "Tgid", text, sizeof(text));
	show_identity(way, pid, atoi(text), number_in(WORKER "/identity", "ppid"));
	show_ps(way, pid);

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (read_text(AT_FDCWD, path, text, sizeof(text)) < 0)
		die("%s could not be read", path);
	cell(way, "memory", strcmp(text, "0 0 0 0 0 0 0\n") ? "some" : "none");
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	cell(way, "files", entries(path) ? "some" : "none");
	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	status = readlink(path, cwd, sizeof(cwd) - 1);
	/* The directory of all kernel threads. */
	cell(way, "cwd", status == 5 && !memcmp(cwd, "/proc", 5) ? "shared" : "not shared");
	status_of(pid, "SigIgn", text, sizeof(text));
	cell(way, "handlers", strspn(text, "f") == 16 ? "ignores all" : "some");
	if (setpriority(PRIO_PROCESS, pid, NICE) || getpriority(PRIO_PROCESS, pid) != NICE)
		die("%s: failed to set its nice value", way->label);
	own_or_shared(way, "nice", getpriority(PRIO_PROCESS, gettid()) == NICE);

	/* It ignores SIGTERM if it keeps working after that, and even after SIGKILL. */
	runs = number_in(WORKER "/stats", "runs");
	if (kill(pid, SIGTERM) || kill(pid, SIGKILL))
		die("kill: %s", errno_name(errno));
	give_command("wake kthread");
	while (state_of(pid) && number_in(WORKER "/stats", "runs") == runs)
		nap(&end, "a kernel thread works");
	cell(way, "SIGTERM", state_of(pid) ? "nothing" : "ends it");

	if (waitpid(pid, &status, __WALL) >= 0 || errno != ECHILD)
		die("a kernel thread is a child of the caller");
	give_command("stop kthread");
	shared->made[way - ways] = pid;
	reap(pid, &status);
}

/* One process creates all tasks, so that their PIDs are comparable. */
static void caller(void)
{
	shared->caller = getpid();
	shared->caller_ppid = getppid();
	cell(NULL, "pid", "%d", gettid());
	cell(NULL, "tgid", "%d", getpid());
	cell(NULL, "ppid", "%d", getppid());
	show_ps(NULL, gettid());
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].means == KTHREAD)
			compare_kthread(&ways[i]);
		else
			compare_task(&ways[i]);
	}
	exit(0);
}

/* Sends an unhandled signal, which may also kill this process. */
static void signalled_caller(const struct way *way)
{
	pthread_t thread;
	int status;

	make(way, &thread);
	if (tgkill(shared->tgid, shared->tid, SIGTERM))
		die("tgkill: %s", errno_name(errno));
	if (reap(shared->tid, &status) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
		_exit(1);
	_exit(0);
}

/* Waits for a process, and for children that it leaves to this one. Returns its status. */
static int run(void (*body)(const struct way *way), const struct way *way)
{
	int status, result = -1;
	pid_t pid, child;

	fflush(stdout);
	shared->n_adopted = 0;
	child = fork();
	if (!child) {
		body(way);
		_exit(3);
	}
	while ((pid = wait(&status)) > 0) {
		if (pid == child) {
			result = status;
		} else if (shared->n_adopted < (int)ARRAY_SIZE(ways)) {
			shared->adopted[shared->n_adopted++] = pid;
			shared->adopted_status = status;
		}
	}
	return result;
}

static void compare_all(const struct way *way)
{
	(void)way;
	caller();
}

int main(int argc, char **argv)
{
	if (argc != 1)
		die("usage: %s", argv[0]);
	if (access(DEMO "/control", W_OK))
		die("load " MODULE " first");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe(ready) || pipe(go))
		die("mmap, pipe: %s", errno_name(errno));
	prctl(PR_SET_NAME, "compare");

	if (run(compare_all, NULL))
		die("the caller died");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const char *who = shared->reaped_by_caller[i] ? "the caller" : "nobody has to";

		for (int n = 0; n < shared->n_adopted; n++)
			if (shared->adopted[n] == shared->made[i])
				who = "the caller's parent";
		cell(&ways[i], "reaper", "%s", who);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		int status;

		if (ways[i].means == KTHREAD)
			continue;
		status = run(signalled_caller, &ways[i]);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
			cell(&ways[i], "SIGTERM", "ends the process");
		else if (WIFEXITED(status) && !WEXITSTATUS(status) &&
			 (!shared->n_adopted || WTERMSIG(shared->adopted_status) == SIGTERM))
			cell(&ways[i], "SIGTERM", "ends it alone");
		else
			cell(&ways[i], "SIGTERM", "something else");
	}
	return 0;
}
