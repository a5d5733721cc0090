// SPDX-License-Identifier: GPL-2.0
/*
 * observe [LATENCY_FILE]: reads every file of rust_kthread_demo, or that one,
 * over and over until it is terminated, while workers and the module may come and
 * go. Prints how much it has read. Reports each text that contradicts itself and each
 * error except those of a removed file, and then exits with 1.
 */

#include "demo.h"
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>

static atomic_bool terminated;
static unsigned long reads, gone, bad;
static char text[1 << 16];

static void terminate(int sig)
{
	(void)sig;
	terminated = true;
}

static void __printf(2, 3) complain(const char *path, const char *format, ...)
{
	va_list args;

	/* A few are enough. */
	if (++bad > 5)
		return;
	printf("%s: ", path);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n%s", text);
}

static uint64_t value_of(const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	}
	return UINT64_MAX;
}

static bool has_line(const char *line)
{
	const char *found = strstr(text, line);

	return found && (found == text || found[-1] == '\n') && found[strlen(line)] == '\n';
}

static void check_totals(const char *path)
{
	uint64_t t[TOTALS];

	if (!parse_totals(text, t))
		complain(path, "not in the form of totals");
	else if (t[CREATED] != t[STOPPED] + t[WORKERS])
		complain(path, "created is not stopped + workers");
	else if (t[STARTED] > t[CREATED])
		complain(path, "more started than created");
	else if (t[WORKERS] > t[WORKERS_PEAK])
		complain(path, "more workers than their peak");
	else if (t[UNPARKS] > t[PARKS])
		complain(path, "more unparks than parks");
}

static void check_stats(const char *path)
{
	if (!strstr(text, "state ") || !strstr(text, "\noverruns "))
		complain(path, "not in the form of stats");
	else if (has_line("kind event") && value_of("runs") > value_of("wakes"))
		complain(path, "more runs than wakes");
}

static void check_identity(const char *path)
{
	if (!has_line("ppid 2") || !has_line("kthread yes") || !has_line("mm none"))
		complain(path, "not that of a kernel thread");
}

static void check_latency(const char *path)
{
	static const char * const names[] = { "create", "start", "wake", "park", "unpark", "stop" };
	const char *at = text;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned long long count, min, mean, p50, p99, max, from, in_bucket;
		unsigned long long sum = 0, lowest = 0, highest = 0, seen = 0;
		bool p50_fits = false, p99_fits = false;
		char name[16];
		int len;

		if (sscanf(at, "%15s %llu %llu %llu %llu %llu %llu\n%n", name, &count, &min, &mean,
			   &p50, &p99, &max, &len) != 7 || strcmp(name, names[i])) {
			complain(path, "%s: not in the form of a histogram", names[i]);
			return;
		}
		/* The conversion has skipped the tab of the first bucket. */
		at = strchr(at, '\n') + 1;
		for (; *at == '\t'; at = strchr(at, '\n') + 1) {
			unsigned long long to;

			if (sscanf(at, "\t%llu %llu\n", &from, &in_bucket) != 2 || !in_bucket ||
			    (from & (from - 1)) || (sum && from <= highest)) {
				complain(path, "%s: not in the form of buckets", names[i]);
				return;
			}
			if (!sum)
				lowest = from;
			highest = from;
			/* The last bucket has no end. */
			to = from == 1ULL << 38 ? UINT64_MAX : from ? 2 * from - 1 : 1;
			sum += in_bucket;
			if (seen * 2 < count && sum * 2 >= count)
				p50_fits = p50 >= from && p50 <= to;
			if (seen * 100 < count * 99 && sum * 100 >= count * 99)
				p99_fits = p99 >= from && p99 <= to;
			seen = sum;
		}
		if (sum != count)
			complain(path, "%s: the buckets hold %llu", names[i], sum);
		else if (min > mean || mean > max || min > p50 || p50 > p99 || p99 > max)
			complain(path, "%s: not in order", names[i]);
		else if (!count && max)
			complain(path, "%s: not empty", names[i]);
		else if (count && (min < lowest || (lowest ? min / lowest > 1 : min > 1)))
			complain(path, "%s: min is not in the first bucket", names[i]);
		else if (count && (max < highest || (highest ? max / highest > 1 : max > 1)) &&
			 highest != 1ULL << 38)
			complain(path, "%s: max is not in the last bucket", names[i]);
		else if (count && (!p50_fits || !p99_fits))
			complain(path, "%s: a percentile is not in its bucket", names[i]);
	}
	if (*at)
		complain(path, "more than the histograms");
}

static void check_lifecycle(const char *path)
{
	static const char * const events[] = {
		"requested", "created", "first_run", "woken", "park_requested", "parked",
		"unparked", "stop_requested", "returned"
	};
	unsigned long long seconds, nanos, last = 0;
	int lines = 0, len;
	char event[20];

	for (const char *at = text; *at; at += len, lines++) {
		bool known = false;

		if (sscanf(at, "%llu.%9llu %19s%n", &seconds, &nanos, event, &len) != 3 || at[len++] != '\n') {
			complain(path, "not in the form of a lifecycle");
			return;
		}
		for (size_t i = 0; i < ARRAY_SIZE(events); i++)
			known |= !strcmp(event, events[i]);
		if (!known)
			complain(path, "%s is no event", event);
		if (seconds * 1000000000 + nanos < last)
			complain(path, "goes back in time");
		last = seconds * 1000000000 + nanos;
	}
	if (lines > 64)
		complain(path, "%d lines", lines);
}

static void judge(const char *path, ssize_t len, void (*check)(const char *path))
{
	if (len >= 0) {
		reads++;
		check(path);
	} else if (len == -ENOENT || len == -EIO || len == -ENXIO) {
		/* Missing, removed while it was open, or of a module that is unloaded. */
		gone++;
	} else {
		*text = 0;
		complain(path, "%s", errno_name(-len));
	}
}

static void observe(int dir, const char *path, void (*check)(const char *path))
{
	judge(path, read_text(dir, path, text, sizeof(text)), check);
}

/* Reads one file as fast as possible. */
static void observe_latency(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? -errno : 0;

	while (len >= 0 && !terminated) {
		len = pread(fd, text, sizeof(text) - 1, 0);
		if (len < 0)
			len = -errno;
		else
			text[len] = 0;
		judge(path, len, check_latency);
	}
	if (fd < 0)
		judge(path, len, check_latency);
	else
		close(fd);
}

static void observe_workers(void)
{
	DIR *workers = opendir(DEMO "/workers");
	struct dirent *entry;
	char path[300];

	if (!workers)
		return;
	while ((entry = readdir(workers))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/stats", entry->d_name);
		observe(dirfd(workers), path, check_stats);
		snprintf(path, sizeof(path), "%s/identity", entry->d_name);
		observe(dirfd(workers), path, check_identity);
		snprintf(path, sizeof(path), "%s/latency", entry->d_name);
		observe(dirfd(workers), path, check_latency);
		snprintf(path, sizeof(path), "%s/lifecycle", entry->d_name);
		observe(dirfd(workers), path, check_lifecycle);
	}
	closedir(workers);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = terminate };

	sigaction(SIGTERM, &action, NULL);
	while (argc == 2 && !terminated)
		observe_latency(argv[1]);
	while (!terminated) {
		observe(AT_FDCWD, DEMO "/stats", check_totals);
		observe(AT_FDCWD, DEMO "/latency", check_latency);
		observe_workers();
	}
	printf("reads %lu\ngone %lu\nbad %lu\n", reads, gone, bad);
	return bad != 0;
}
