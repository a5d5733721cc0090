// SPDX-License-Identifier: GPL-2.0
/*
 * watch_demo: a full-screen view of the workers of rust_kthread_demo, in a terminal of 80
 * columns and 24 lines. Keys drive the selected worker. All actions go through the module's
 * debugfs files; CPU and scheduler state of a thread are from /proc.
 *
 * It only writes the lines that have changed, as the terminal may be a serial line.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MODULE "rust_kthread_demo"
#define DEMO "/sys/kernel/debug/" MODULE
#define COLUMNS 80
#define LINES 24
#define __printf(a, b) __attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Lines of the screen, from 0. */
enum {
	TITLE = 0,
	HEADER = 2,
	TABLE = 3,
	TABLE_LINES = 9,
	PANE = TABLE + TABLE_LINES + 1,
	PANE_LINES = 6,
	COMMAND = PANE + PANE_LINES + 1,
	RESULT,
	KEYS = LINES - 1,
};

#define REFRESH_MS 500
#define MAX_WORKERS 4096
/* Buckets of the small histogram, from 1 us, each four times as long as the previous one. */
#define BUCKETS 10

struct worker {
	char name[16];
};

/* The action of a key. */
struct action {
	char key;
	const char *word;	/* of control */
	const char *options;
	const char *function;	/* of kernel/kthread.c or kernel/sched/core.c */
	bool fresh;		/* creates a worker instead of using the selected one */
};

static const struct action actions[] = {
	{ 'c', "create", "", "kthread_create_on_node()", true },
	{ 'b', "run", " kind=periodic", "kthread_create_on_node(), wake_up_process()", true },
	{ 's', "start", "", "wake_up_process()", false },
	{ 'w', "wake", "", "wake_up_process()", false },
	{ 'p', "park", "", "kthread_park()", false },
	{ 'u', "unpark", "", "kthread_unpark()", false },
	{ 'x', "stop", "", "kthread_stop()", false },
};

static struct worker workers[MAX_WORKERS];
static int nr_workers, selected, top;
static char text[1 << 16];
static char screen[LINES][COLUMNS + 1], shown[LINES][COLUMNS + 1];
static char command_line[COLUMNS + 1], result_line[COLUMNS + 1];
static struct termios terminal;
static atomic_bool ended;

static void end(int sig)
{
	(void)sig;
	ended = true;
}

/* Reads a whole file into text. Returns whether it succeeded. */
static bool __printf(1, 2) read_text(const char *format, ...)
{
	char path[128];
	size_t len = 0;
	ssize_t n;
	va_list args;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	text[0] = 0;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = 0;
	return len > 0;
}

/* Returns the value of a line "KEY VALUE" in text, or "-". Valid until the next call. */
static const char *value_of(const char *key)
{
	static char value[64];
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ' ') {
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + len + 1, "\n"),
				 line + len + 1);
			return value;
		}
	}
	return "-";
}

static void __printf(2, 3) put(int line, const char *format, ...)
{
	char buf[256];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	snprintf(screen[line], sizeof(screen[line]), "%.*s", COLUMNS, buf);
}

static void rule(int line, const char *title)
{
	int len;

	put(line, "-- %s ", title);
	len = strlen(screen[line]);
	memset(screen[line] + len, '-', COLUMNS - len);
	screen[line][COLUMNS] = 0;
}

/* Writes the lines that have changed since the last time. */
static void show(void)
{
	static char out[LINES * (COLUMNS + 40)];
	size_t len = 0;

	for (int i = 0; i < LINES; i++) {
		bool chosen = i == TABLE + selected - top && nr_workers;

		/* A change of the selection changes the line. */
		if (chosen && screen[i][0])
			screen[i][0] = '>';
		if (!strcmp(screen[i], shown[i]))
			continue;
		memcpy(shown[i], screen[i], sizeof(shown[i]));
		len += snprintf(out + len, sizeof(out) - len, "\033[%d;1H%s%s\033[0m\033[K", i + 1,
				i == HEADER ? "\033[1m" : chosen ? "\033[7m" : "", screen[i]);
	}
	for (size_t done = 0; done < len;) {
		ssize_t n = write(STDOUT_FILENO, out + done, len - done);

		if (n < 0 && errno != EINTR && errno != EAGAIN) {
			ended = true;
			return;
		}
		done += n > 0 ? n : 0;
	}
}

/* Forces all lines to be written next time. */
static void forget(void)
{
	for (int i = 0; i < LINES; i++)
		shown[i][0] = 1;
}

static void redraw(void)
{
	static const char clear[] = "\033[2J";

	forget();
	if (write(STDOUT_FILENO, clear, strlen(clear)) < 0)
		ended = true;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct worker *)a)->name, ((const struct worker *)b)->name);
}

/* Rereads the list of workers. The selected one stays selected, or else the next one. */
static void list(void)
{
	char name[sizeof(workers[0].name)] = "";
	struct dirent *entry;
	DIR *dir;

	if (nr_workers)
		memcpy(name, workers[selected].name, sizeof(name));
	nr_workers = 0;
	dir = opendir(DEMO "/workers");
	if (dir) {
		while (nr_workers < MAX_WORKERS && (entry = readdir(dir))) {
			if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
				snprintf(workers[nr_workers++].name, sizeof(workers[0].name), "%.15s",
					 entry->d_name);
		}
		closedir(dir);
	}
	qsort(workers, nr_workers, sizeof(workers[0]), by_name);
	for (int i = 0; i < nr_workers; i++) {
		if (!strcmp(workers[i].name, name))
			selected = i;
	}
	if (selected >= nr_workers)
		selected = nr_workers ? nr_workers - 1 : 0;
	if (selected < top)
		top = selected;
	if (selected >= top + TABLE_LINES)
		top = selected - TABLE_LINES + 1;
}

/* Draws the histogram of wake latencies of a worker, a character for each bucket. */
static void histogram(const char *name, char bars[BUCKETS + 1])
{
	static const char levels[] = " .:-=+*#%@";
	unsigned long long count[BUCKETS] = { 0 }, most = 0;
	bool wake = false;

	memset(bars, ' ', BUCKETS);
	bars[BUCKETS] = 0;
	if (!read_text(DEMO "/workers/%s/latency", name))
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long long bound, n;
		int bucket = 0;

		if (line[0] != '\t') {
			wake = !strncmp(line, "wake ", 5);
			continue;
		}
		if (!wake || sscanf(line, "%llu %llu", &bound, &n) != 2)
			continue;
		for (bound >>= 12; bound && bucket < BUCKETS - 1; bound >>= 2)
			bucket++;
		count[bucket] += n;
		if (count[bucket] > most)
			most = count[bucket];
	}
	for (int i = 0; i < BUCKETS; i++) {
		/* Show non-empty buckets with at least the lowest bar. */
		if (count[i])
			bars[i] = levels[1 + count[i] * (ARRAY_SIZE(levels) - 3) / most];
	}
}

static void row(int line, const char *name)
{
	char state[16], wakes[24], runs[24], pid[16], event[24] = "-", bars[BUCKETS + 1];
	char letter = '-', *p;
	int cpu = -1;

	if (!read_text(DEMO "/workers/%s/stats", name)) {
		put(line, " ");
		return;
	}
	snprintf(state, sizeof(state), "%s", value_of("state"));
	snprintf(wakes, sizeof(wakes), "%s", value_of("wakes"));
	snprintf(runs, sizeof(runs), "%s", value_of("runs"));
	read_text(DEMO "/workers/%s/identity", name);
	snprintf(pid, sizeof(pid), "%s", value_of("pid"));
	p = read_text("/proc/%s/stat", pid) ? strrchr(text, ')') : NULL;
	if (p) {
		letter = p[2];
		/* The processor is the 39th field, and the state the third. */
		for (int i = 3; p && i <= 39; i++)
			p = strchr(p + 1, ' ');
		cpu = p ? atoi(p) : -1;
	}
	if (read_text(DEMO "/workers/%s/lifecycle", name)) {
		text[strlen(text) - 1] = 0;
		p = strrchr(text, '\n');
		p = strchr(p ? p + 1 : text, ' ');
		snprintf(event, sizeof(event), "%s", p ? p + 1 : "-");
	}
	histogram(name, bars);
	put(line, " %-14.15s %-8.8s %c %5s %3d %7s %7s %-14.14s %s", name, state, letter, pid, cpu, wakes,
	    runs, event, bars);
}

static void pane(void)
{
	char *lines[64 + 1], *line;
	double before = 0;
	int n = 0, first;

	if (!nr_workers || !read_text(DEMO "/workers/%s/lifecycle", workers[selected].name))
		return;
	for (line = strtok(text, "\n"); line && n < (int)ARRAY_SIZE(lines); line = strtok(NULL, "\n"))
		lines[n++] = line;
	first = n > PANE_LINES ? n - PANE_LINES : 0;
	if (first)
		before = atof(lines[first - 1]);
	for (int i = first; i < n; i++) {
		double now = atof(lines[i]);

		put(PANE + i - first, "  %-34s", lines[i]);
		if (i)
			put(PANE + i - first, "  %-34s %12.6f s later", lines[i], now - before);
		before = now;
	}
}

static void draw(void)
{
	char created[24], stopped[24], title[64];
	struct utsname name;

	memset(screen, 0, sizeof(screen));
	list();
	uname(&name);
	if (read_text(DEMO "/stats")) {
		snprintf(created, sizeof(created), "%s", value_of("created"));
		snprintf(stopped, sizeof(stopped), "%s", value_of("stopped"));
		put(TITLE, MODULE " on %s, %ld CPUs: %d workers, %s created, %s stopped", name.release,
		    sysconf(_SC_NPROCESSORS_ONLN), nr_workers, created, stopped);
	} else {
		put(TITLE, MODULE " is not loaded");
	}
	put(HEADER, " %-14s %-8s %s %5s %3s %7s %7s %-14s %s", "NAME", "STATE", "S", "PID", "CPU", "WAKES",
	    "RUNS", "LAST EVENT", "1us  1ms");
	for (int i = top; i < nr_workers && i < top + TABLE_LINES; i++)
		row(TABLE + i - top, workers[i].name);
	snprintf(title, sizeof(title), "lifecycle of %s, seconds since boot", nr_workers ? workers[selected].name : "-");
	rule(PANE - 1, title);
	pane();
	rule(COMMAND - 1, "the last command");
	put(COMMAND, "%s", command_line);
	put(RESULT, "%s", result_line);
	put(KEYS, "c create b periodic s start w wake p park u unpark x stop j k select q quit");
	show();
}

static void state_of(const char *name, char state[16])
{
	if (read_text(DEMO "/workers/%s/stats", name))
		snprintf(state, 16, "%.15s", value_of("state"));
	else
		snprintf(state, 16, "none");
}

/* Returns an unused name. */
static void fresh_name(char name[16])
{
	for (unsigned int i = 0;; i++) {
		bool taken = false;

		snprintf(name, 16, "w%u", i);
		for (int j = 0; j < nr_workers; j++)
			taken |= !strcmp(workers[j].name, name);
		if (!taken)
			return;
	}
}

/* Writes a command to control, and keeps the result for the screen. */
static void act(const struct action *action)
{
	char name[16], words[64], before[16], after[16];
	struct timespec from, to;
	int fd, err = 0;

	if (action->fresh) {
		fresh_name(name);
	} else if (nr_workers) {
		memcpy(name, workers[selected].name, sizeof(name));
	} else {
		snprintf(command_line, sizeof(command_line), "there is no worker to %s: c creates one", action->word);
		result_line[0] = 0;
		return;
	}
	state_of(name, before);
	snprintf(words, sizeof(words), "%s %s%s", action->word, name, action->options);
	snprintf(command_line, sizeof(command_line), "$ echo %s > control", words);
	snprintf(result_line, sizeof(result_line), "  %s ...", action->function);
	put(COMMAND, "%s", command_line);
	put(RESULT, "%s", result_line);
	show();
	clock_gettime(CLOCK_MONOTONIC, &from);
	fd = open(DEMO "/control", O_WRONLY);
	if (fd < 0 || write(fd, words, strlen(words)) < 0)
		err = errno;
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (fd >= 0)
		close(fd);
	state_of(name, after);
	if (err)
		snprintf(result_line, sizeof(result_line), "  %s: %s: %.30s", action->function, strerrorname_np(err),
			 strerror(err));
	else
		snprintf(result_line, sizeof(result_line), "  %s: %s -> %s, %.3f ms", action->function, before, after,
			 (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6);
	if (action->fresh && !err) {
		list();
		for (int i = 0; i < nr_workers; i++) {
			if (!strcmp(workers[i].name, name))
				selected = i;
		}
	}
}

static void key(char c)
{
	switch (c) {
	case 'q':
	case 3:		/* Ctrl-C */
	case 4:		/* Ctrl-D */
		ended = true;
		return;
	case 12:	/* Ctrl-L */
		redraw();
		return;
	case 'j':
		if (selected < nr_workers - 1)
			selected++;
		return;
	case 'k':
		if (selected)
			selected--;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (actions[i].key == c)
			act(&actions[i]);
	}
}

/* Parses bytes into keys: arrows arrive as ESC [ A and ESC [ B, or with an O. */
static void keys(const char *bytes, ssize_t n)
{
	static int escape;

	for (ssize_t i = 0; i < n && !ended; i++) {
		char c = bytes[i];

		if (c == 27) {
			escape = 1;
		} else if (escape == 1 && (c == '[' || c == 'O')) {
			escape = 2;
		} else if (escape == 2) {
			escape = c >= '@' ? 0 : 2;
			if (c == 'A')
				key('k');
			else if (c == 'B')
				key('j');
		} else {
			escape = 0;
			key(c);
		}
	}
}

int main(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned int frames = 0;
	struct termios raw;
	char bytes[64];

	if (tcgetattr(STDIN_FILENO, &terminal)) {
		fprintf(stderr, "watch_demo: there is no terminal\n");
		return 2;
	}
	if (access(DEMO "/control", F_OK) && system("modprobe " MODULE)) {
		fprintf(stderr, "watch_demo: " MODULE " does not load\n");
		return 2;
	}
	signal(SIGTERM, end);
	signal(SIGHUP, end);
	raw = terminal;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	/* Keep kernel messages off the console; they stay in dmesg. */
	klogctl(6, NULL, 0);
	printf("\033[?1049h\033[?25l");
	fflush(stdout);
	redraw();
	while (!ended) {
		ssize_t n;

		/* Other output may have reached the console: redraw soon, and then now and then. */
		if (frames++ % 20 == 2)
			forget();
		draw();
		if (poll(&in, 1, REFRESH_MS) <= 0)
			continue;
		n = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		keys(bytes, n);
	}
	printf("\033[?25h\033[?1049l");
	fflush(stdout);
	klogctl(7, NULL, 0);
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	return 0;
}
